package hudson.plugins.git

import harness.Recording
import hudson.model.User

/** Stand in for the git plugin's: a commit, and the files that it changed. */
class GitChangeSet {

    private final Map recorded

    GitChangeSet(Map recorded) {
        this.recorded = recorded
    }

    String getCommitId() {
        return Recording.read(recorded.id)
    }

    String getMsg() {
        return Recording.read(recorded.msg)
    }

    String getComment() {
        return recorded.comment
    }

    long getTimestamp() {
        return Recording.read(recorded.at) as long
    }

    String getAuthorEmail() {
        return Recording.read(recorded.email)
    }

    User getAuthor() {
        return new User([id: recorded.authorId, name: recorded.author])
    }

    Collection<String> getAffectedPaths() {
        return affectedFiles*.path
    }

    Collection<Path> getAffectedFiles() {
        return Recording.read(recorded.paths).collect { path -> new Path(path) }
    }

    static class Path {

        private final List recorded

        Path(List recorded) {
            this.recorded = recorded
        }

        String getPath() {
            return recorded[0]
        }

        EditType getEditType() {
            return new EditType(recorded[1])
        }

    }

    static class EditType {

        final String name

        EditType(String name) {
            this.name = name
        }

    }

}
