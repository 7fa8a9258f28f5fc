package hudson

import controller.Home

/** Stands in for Jenkins': one file in JENKINS_HOME. What it can't write it throws. */
class XmlFile {

    private final File file

    XmlFile(File file) {
        this.file = file
    }

    void write(Object one) {
        Home.save(file.name - '.xml', one.state)
    }

}
