package org.jenkinsci.plugins.workflow.libs

/** Stands in for the pipeline-groovy-lib plugin's: a library, with the defaults that it has there. */
class LibraryConfiguration {

    final String name
    final LibraryRetriever retriever
    private String defaultVersion
    boolean implicit
    boolean allowVersionOverride = true
    boolean includeInChangesets = true
    LibraryCachingConfiguration cachingConfiguration

    LibraryConfiguration(String name, LibraryRetriever retriever) {
        this.name = name?.trim() ?: null
        this.retriever = retriever
    }

    String getDefaultVersion() {
        return defaultVersion
    }

    void setDefaultVersion(String defaultVersion) {
        this.defaultVersion = defaultVersion?.trim() ?: null
    }

}
