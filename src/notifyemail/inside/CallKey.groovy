package notifyemail.inside

import groovy.json.JsonOutput
import notifyemail.BuildError
import org.jenkinsci.plugins.workflow.cps.CpsThread

import java.security.MessageDigest

/**
 * The name of one call of the step, by which the service knows it again. A Pipeline that resumes after a restart repeats
 * its last call, while its log and flow graph have gone on: so of the report only what stays the same is in it.
 */
final class CallKey {

    private final Map report
    private final BuildError given

    /**
     * @param report what BuildReport describes
     * @param given what the author says of the exception that ended the build; null: nothing
     */
    CallKey(Map report, BuildError given) {
        OwnBuild.require()
        this.report = report
        this.given = given
    }

    /** Return SHA-256 in hex, of the build, of where its Pipeline is, and of what the author wants. */
    @NonCPS
    String text() {
        List<String> heads = []
        for (head in CpsThread.current().execution.currentHeads) {
            heads << head.id
        }
        List error = given == null ? [] : [given.type, given.message, given.result]
        String call = JsonOutput.toJson([
            report.build.job, report.build.number, report.build.started_at, heads.sort(), report.mail, error])
        return MessageDigest.getInstance('SHA-256').digest(call.getBytes('UTF-8')).encodeHex().toString()
    }

}
