package hudson

/** Stands in for Jenkins': which plugins are there; classes of those that are not can't be loaded. */
class PluginManager {

    /** Plugin → the beginning of its classes' names. */
    static final Map<String, String> KNOWN = [
        'mailer'              : 'hudson.tasks.Mailer',
        'email-ext'           : 'hudson.plugins.emailext.',
        'pipeline-groovy-lib' : 'org.jenkinsci.plugins.workflow.libs.',
        'git'                 : 'jenkins.plugins.git.',
        'scm-api'             : 'jenkins.scm.api.',
        'credentials'         : 'com.cloudbees.plugins.credentials.',
        'configuration-as-code': 'io.jenkins.plugins.casc.',
    ]
    static Set<String> absent = []

    final ClassLoader uberClassLoader = new UberClassLoader(PluginManager.classLoader)

    PluginWrapper getPlugin(String shortName) {
        return shortName in KNOWN && !(shortName in absent) ? new PluginWrapper(shortName) : null
    }

    private static class UberClassLoader extends ClassLoader {

        UberClassLoader(ClassLoader parent) {
            super(parent)
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) {
            if (absent.any { plugin -> name.startsWith(KNOWN[plugin]) }) {
                throw new ClassNotFoundException(name)
            }
            return super.loadClass(name, resolve)
        }

    }

}
