package notifyemail.inside

import notifyemail.BuildReport

/** The builds before this one. Each is loaded from the controller's disk. */
final class PastBuilds {

    static final int MAX_BUILDS = 30

    PastBuilds() {
        OwnBuild.require()
    }

    /** Return the contract's `history`; null: there is none. */
    @NonCPS
    Map read() {
        Object run = OwnBuild.run()
        List builds = []
        for (Object build = run.previousBuild; build != null && builds.size() < MAX_BUILDS; build = build.previousBuild) {
            builds << pastBuild(build)
        }
        Map history = builds ? [builds: builds] : [:]
        Object success = run.previousSuccessfulBuild
        if (success != null) {
            history.last_success = pastBuild(success)
        }
        long estimated = run.estimatedDuration
        if (estimated > 0) {
            history.estimated_ms = estimated
        }
        return history ?: null
    }

    @NonCPS
    private Map pastBuild(Object build) {
        Map past = [number: build.number, started_at: build.startTimeInMillis]
        String result = build.isBuilding() ? '' : "${build.result}"
        if (result in BuildReport.RESULTS) {
            past.result = result
            past.duration_ms = Math.max(0L, build.duration)
        }
        return past
    }

}
