package jenkins.model

import hudson.slaves.EnvironmentVariablesNodeProperty

/** Stands in for the controller: its global variables and credentials. */
class Jenkins {

    static Map<String, String> globalVariables = [:]
    static List credentials = []

    static Jenkins get() {
        return new Jenkins()
    }

    Properties getGlobalNodeProperties() {
        return new Properties()
    }

    /** As DescribableList. */
    static class Properties {

        List getAll(Class type) {
            assert type == EnvironmentVariablesNodeProperty
            return [new EnvironmentVariablesNodeProperty(globalVariables)]
        }

    }

}
