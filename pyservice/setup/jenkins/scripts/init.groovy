// Written by `notify-email jenkins emit init-groovy`, for JENKINS_HOME/init.groovy.d: points Jenkins' mail at
// the Postfix of the node that it runs on. It needs no token, and of the plugins only Mailer.

/** A class, since Groovy trips over calls within a script whose file's name has a hyphen in it. */
class NotifyEmail {

    private static final String ADDRESS = $address // null: this script finds it
    private static final int PORT = $port
    private static final boolean EMAIL_EXT = $email_ext
    private static final int WATCH = $watch // seconds between two checks; 0: only at the start

    private String lastError

    /** Checks now and, with a watch, from time to time. */
    void start() {
        update(true)
        if (WATCH) {
            jenkins.util.Timer.get().scheduleWithFixedDelay(
                { update(false) } as Runnable, WATCH, WATCH, java.util.concurrent.TimeUnit.SECONDS)
        }
    }

    /** The first address that greets as a mail server. While none does, the current one stays if it may be right. */
    String chosen(String current) {
        if (ADDRESS) {
            return ADDRESS
        }
        Collection<String> possible = candidates().keySet()
        return possible.find { address -> greeting(address, PORT).greeting } ?:
            (current in possible ? current : possible.find() ?: current)
    }

    Object descriptor(String className) {
        try {
            return jenkins.model.Jenkins.get().pluginManager.uberClassLoader.loadClass(className).descriptor()
        } catch (ClassNotFoundException ignored) {
            // The plugin is not installed.
        }
        return null
    }

    /** Points a plugin's settings at the address; returns whether they had to be changed. */
    boolean point(Object settings, String address) {
        Map wanted = [smtpHost: address, smtpPort: PORT.toString(), useSsl: false, useTls: false]
        Map different = wanted.findAll { name, value -> settings[name] != value }
        different.each { name, value -> settings[name] = value }
        return !different.isEmpty()
    }

    void update(boolean first) {
        java.util.logging.Logger log = java.util.logging.Logger.getLogger('notify-email')
        try {
            Object mailer = descriptor('hudson.tasks.Mailer')
            if (mailer == null) {
                throw new IllegalStateException('the Mailer plugin is not installed')
            }
            String before = mailer.smtpHost
            String address = chosen(before)
            if (!address) {
                throw new IllegalStateException("this container can't know its node's address: set the variable NODE_IP")
            }
            boolean changed = point(mailer, address)
            if (changed) {
                mailer.save()
            }
            Object emailExt = EMAIL_EXT ? descriptor('hudson.plugins.emailext.ExtendedEmailPublisher') : null
            if (emailExt != null && point(emailExt.mailAccount, address)) {
                emailExt.save()
                changed = true
            }
            if (first || changed) {
                String message = "notify-email: Jenkins' mail goes to ${address}:${PORT}"
                log.info(message + (changed ? ", before to ${before ?: 'localhost'}" : ', as before'))
            }
        } catch (Throwable e) { // an Error would end Jenkins' start, anything the watch
            if (first || e.message != lastError) {
                log.warning("notify-email: Jenkins' mail is left as it is: ${e.message ?: e}")
            }
            lastError = e.message
            return
        }
        lastError = null
    }

$finding

}

new NotifyEmail().start()
