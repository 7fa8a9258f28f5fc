package jenkins.plugins.git

/** Stands in for the git plugin's. */
class GitSCMSource {

    final String remote
    String credentialsId

    GitSCMSource(String remote) {
        this.remote = remote
    }

}
