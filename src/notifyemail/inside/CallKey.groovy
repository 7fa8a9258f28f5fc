package notifyemail.inside

import groovy.json.JsonOutput
import org.jenkinsci.plugins.workflow.cps.CpsThread

import java.security.MessageDigest

/**
 * The name of one call of the step, by which the service knows it again. A Pipeline that resumes after a restart repeats
 * its last call, while its log and flow graph have gone on: so of the report only what stays the same is in it.
 */
final class CallKey {

    private final Map report

    CallKey(Map report) {
        OwnBuild.require()
        this.report = report
    }

    /** Return SHA-256 in hex, of the build, of where its Pipeline is, and of what the author wants. */
    @NonCPS
    String text() {
        List<String> heads = []
        for (head in CpsThread.current().execution.currentHeads) {
            heads << head.id
        }
        String call = JsonOutput.toJson([report.build.job, report.build.number, report.build.started_at, heads.sort(), report.mail])
        return MessageDigest.getInstance('SHA-256').digest(call.getBytes('UTF-8')).encodeHex().toString()
    }

}
