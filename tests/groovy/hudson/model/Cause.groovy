package hudson.model

/** Stand in for Jenkins': why a build was started. */
class Cause {

    protected final Map recorded

    Cause(Map recorded) {
        this.recorded = recorded
    }

    String getShortDescription() {
        return recorded.text
    }

    static class UserIdCause extends Cause {

        UserIdCause(Map recorded) {
            super(recorded)
        }

        String getUserId() {
            return recorded.user
        }

    }

    static class UpstreamCause extends Cause {

        UpstreamCause(Map recorded) {
            super(recorded)
        }

        String getUpstreamProject() {
            return recorded.upstream[0]
        }

        int getUpstreamBuild() {
            return recorded.upstream[1] as int
        }

        String getUpstreamUrl() {
            return recorded.url
        }

        List<Cause> getUpstreamCauses() {
            return recorded.before ?: []
        }

        Object getUpstreamRun() {
            return recorded.run
        }

    }

}
