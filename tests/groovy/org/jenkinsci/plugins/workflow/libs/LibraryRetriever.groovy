package org.jenkinsci.plugins.workflow.libs

/** Stands in for the pipeline-groovy-lib plugin's. */
abstract class LibraryRetriever {
}
