package hudson.plugins.git.util

/** Stand in for the git plugin's: what was checked out. */
class BuildData {

    private final List recorded

    /** @param recorded remote addresses, revision, names of branches */
    BuildData(List recorded) {
        this.recorded = recorded
    }

    Set<String> getRemoteUrls() {
        return recorded[0] as LinkedHashSet
    }

    Revision getLastBuiltRevision() {
        return recorded[1] == null ? null : new Revision(recorded[1], recorded[2])
    }

}

class Revision {

    final String sha1String
    final Collection<Branch> branches

    Revision(String sha1String, List<String> branches) {
        this.sha1String = sha1String
        this.branches = branches.collect { name -> name == null ? null : new Branch(name) }
    }

}

class Branch {

    final String name

    Branch(String name) {
        this.name = name
    }

}
