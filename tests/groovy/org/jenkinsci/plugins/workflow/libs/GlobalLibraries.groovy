package org.jenkinsci.plugins.workflow.libs

import controller.Home
import hudson.model.Descriptor
import jenkins.plugins.git.GitSCMSource

/** Stands in for the pipeline-groovy-lib plugin's: the trusted libraries. Setting them saves, always. */
class GlobalLibraries extends Descriptor {

    private static final List<String> OPTIONS = ['defaultVersion', 'implicit', 'allowVersionOverride', 'includeInChangesets']

    private static GlobalLibraries instance

    final String id = GlobalLibraries.name

    private List<LibraryConfiguration> libraries = []

    GlobalLibraries() {
        libraries = Home.load(GlobalLibraries.name)?.collect { saved ->
            GitSCMSource source = new GitSCMSource(saved.remote)
            source.credentialsId = saved.credentialsId
            LibraryConfiguration library = new LibraryConfiguration(saved.name, new SCMSourceRetriever(source))
            OPTIONS.each { name -> library."$name" = saved[name] }
            if (saved.minutes != null) {
                library.cachingConfiguration = new LibraryCachingConfiguration(saved.minutes, '')
            }
            return library
        } ?: []
    }

    static GlobalLibraries get() {
        instance = instance ?: new GlobalLibraries()
        return instance
    }

    static void forget() {
        instance = null
    }

    List<LibraryConfiguration> getLibraries() {
        return libraries
    }

    void setLibraries(List<LibraryConfiguration> libraries) {
        this.libraries = libraries
        save()
    }

    @Override
    Object getState() {
        return libraries.collect { library ->
            OPTIONS.collectEntries { name -> [name, library."$name"] } + [
                name: library.name, remote: library.retriever.scm.remote, credentialsId: library.retriever.scm.credentialsId,
                minutes: library.cachingConfiguration?.refreshTimeMinutes,
            ]
        }
    }

}
