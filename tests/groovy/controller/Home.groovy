package controller

import groovy.json.JsonOutput
import groovy.json.JsonSlurper

/** JENKINS_HOME: what was saved survives a restart, and nothing else does. Without a folder nothing is kept. */
class Home {

    static File folder
    /** File → how often it was written. */
    static final Map<String, Integer> SAVES = [:].asSynchronized()
    /** A file that can't be written, as on a full disk. */
    static String failing

    static Object load(String name) {
        File file = new File(folder ?: new File('/nonexistent'), "${name}.json")
        return file.exists() ? new JsonSlurper().parse(file) : null
    }

    static void save(String name, Object state) {
        if (name == failing) {
            throw new IOException('No space left on device')
        }
        SAVES[name] = (SAVES[name] ?: 0) + 1
        if (folder) {
            new File(folder, "${name}.json").text = JsonOutput.toJson(state)
        }
    }

}
