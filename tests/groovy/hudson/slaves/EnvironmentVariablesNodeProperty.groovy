package hudson.slaves

/** Stands in for Jenkins': the global variables. */
class EnvironmentVariablesNodeProperty {

    final Map<String, String> envVars

    EnvironmentVariablesNodeProperty(Map<String, String> envVars) {
        this.envVars = envVars
    }

}
