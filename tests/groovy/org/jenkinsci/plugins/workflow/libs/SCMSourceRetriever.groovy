package org.jenkinsci.plugins.workflow.libs

/** Stands in for the pipeline-groovy-lib plugin's: a library from a source, which JCasC calls modernSCM. */
class SCMSourceRetriever extends LibraryRetriever {

    final Object scm

    SCMSourceRetriever(Object scm) {
        this.scm = scm
    }

}
