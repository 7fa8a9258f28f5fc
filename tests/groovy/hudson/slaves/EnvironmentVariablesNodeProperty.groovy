package hudson.slaves

import hudson.EnvVars

/** Stands in for Jenkins': the global variables. */
class EnvironmentVariablesNodeProperty {

    final EnvVars envVars = new EnvVars()

    EnvironmentVariablesNodeProperty(List<Entry> entries) {
        entries.each { entry -> envVars[entry.key] = entry.value }
    }

    EnvironmentVariablesNodeProperty(Entry... entries) {
        this(entries as List)
    }

    static class Entry {

        final String key
        final String value

        Entry(String key, String value) {
            this.key = key
            this.value = value
        }

    }

}
