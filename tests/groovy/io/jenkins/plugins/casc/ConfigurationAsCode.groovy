package io.jenkins.plugins.casc

import controller.Casc

/** Stands in for the configuration-as-code plugin's. */
class ConfigurationAsCode {

    private static final ConfigurationAsCode INSTANCE = new ConfigurationAsCode()

    private List<String> sources = []

    static ConfigurationAsCode get() {
        return INSTANCE
    }

    /** What it was configured from last. */
    List<String> getSources() {
        return sources
    }

    /** Configures Jenkins, as at its start or at a reload. */
    void configure() {
        List<String> found = Casc.file.exists() ? [Casc.file.path] : []
        found.each { path -> new Casc().apply(new File(path)) }
        sources = found
    }

}
