package org.jenkinsci.plugins.workflow.libs

/** Stand in for pipeline-groovy-lib's: the libraries that a build has loaded. */
class LibrariesAction {

    private final List<LibraryRecord> recorded

    LibrariesAction(List<LibraryRecord> recorded) {
        this.recorded = recorded
    }

    List<LibraryRecord> getLibraries() {
        return recorded
    }

}

class LibraryRecord {

    final String name
    final String version

    LibraryRecord(String name, String version) {
        this.name = name
        this.version = version
    }

    boolean isTrusted() {
        return true
    }

}
