package hudson.model

import hudson.XmlFile
import java.util.logging.Level
import java.util.logging.Logger
import jenkins.model.Jenkins

/** Stands in for Jenkins': something with settings of its own in a file. */
abstract class Descriptor {

    /** The file's name. */
    abstract String getId()

    /** What the file holds. */
    abstract Object getState()

    /** As Jenkins': nobody who calls it learns that the disk is full. */
    void save() {
        try {
            new XmlFile(new File(Jenkins.get().rootDir, "${id}.xml")).write(this)
        } catch (IOException e) {
            Logger.getLogger(Descriptor.name).log(Level.WARNING, "Failed to save ${id}.xml", e)
        }
    }

}
