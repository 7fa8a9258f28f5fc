package notifyemail

import groovy.json.JsonOutput

/**
 * This build as the service's contract describes it (schema 1).
 *
 * Reads only what the Pipeline sandbox allows. Everything is @NonCPS: a change set or a JSON array
 * must not live in a local variable when the controller restarts.
 */
class BuildReport implements Serializable {

    private static final long serialVersionUID = 1L

    static final int MOST_CAUSES = 100
    static final int MOST_CHANGES = 100
    static final int MOST_PATHS = 50
    /** The contract's limit; a link that is cut leads nowhere. */
    static final int LONGEST_LINK = 8192
    /** Characters of JSON; the service takes 1 MiB. Above it there are fewer changes, without their paths. */
    static final int LARGEST = 1000000
    static final int FEWER_CHANGES = 20
    /** Jenkins' own order: a build's result only ever gets worse. */
    static final List<String> RESULTS = ['SUCCESS', 'UNSTABLE', 'FAILURE', 'NOT_BUILT', 'ABORTED']

    private static final String INTERRUPTION = 'org.jenkinsci.plugins.workflow.steps.FlowInterruptedException'

    /**
     * The report as JSON, in ASCII and on one line.
     *
     * @param script gives currentBuild and env
     * @param mail the contract's `mail` member
     * @param error what ended the build, where the caller knows; null: currentBuild tells the result
     */
    @NonCPS
    static String json(Object script, Map mail, Throwable error) {
        Map report = [schema: 1, build: build(script.currentBuild, error), mail: mail]
        if (error != null) {
            report.error = failure(error, script.env.STAGE_NAME)
        }
        String json = text(report + [changes: changes(script.currentBuild, MOST_CHANGES, MOST_PATHS)])
        if (json.length() > LARGEST) {
            json = text(report + [changes: changes(script.currentBuild, FEWER_CHANGES, 0)])
        }
        return json
    }

    /** Of plain values only, whatever a caller put in: see Texts.plain. */
    @NonCPS
    private static String text(Map report) {
        Map plain = Texts.plain(report, Texts.ABOVE_DATA)
        return JsonOutput.toJson(plain)
    }

    /**
     * The build's result, also where Jenkins has not set it yet: in a scripted Pipeline's catch and
     * finally it is SUCCESS until the script has ended. What the Pipeline set itself stays if it is worse.
     */
    @NonCPS
    static String result(Object currentBuild, Throwable error) {
        String known = currentBuild.currentResult
        String thrown = error == null ? known : resultOf(error)
        return RESULTS.indexOf(thrown) > RESULTS.indexOf(known) ? thrown : known
    }

    /** The cause of an interruption is kept from the sandbox; its message tells it. */
    @NonCPS
    private static String resultOf(Throwable error) {
        if (!isInterruption(error)) {
            return 'FAILURE'
        }
        return "${error.message}".startsWith('Superseded by') ? 'NOT_BUILT' : 'ABORTED'
    }

    /** Whether somebody or something interrupted the build: such an exception is never swallowed. */
    @NonCPS
    static boolean isInterruption(Throwable error) {
        return error.getClass().name == INTERRUPTION || error instanceof InterruptedException
    }

    @NonCPS
    private static Map build(Object currentBuild, Throwable error) {
        Map build = [
            job              : Texts.clean(currentBuild.fullProjectName, Texts.NAME),
            number           : currentBuild.number,
            result           : result(currentBuild, error),
            started_at       : currentBuild.startTimeInMillis,
            // Negative where somebody has set the clock back.
            duration_ms      : currentBuild.duration < 0 ? 0 : currentBuild.duration,
            display_name     : Texts.clean(currentBuild.displayName, Texts.NAME),
            full_display_name: Texts.clean(currentBuild.fullDisplayName, Texts.NAME),
            causes           : causes(currentBuild),
        ]
        String url = address(currentBuild)
        if (url && url.length() <= LONGEST_LINK) {
            build.url = url
        }
        if (currentBuild.description) {
            build.description = Texts.clean(currentBuild.description, Texts.LONG)
        }
        String before = currentBuild.previousCompletedBuild?.result
        if (before) {
            build.previous_result = before
        }
        return build
    }

    /** Empty on a controller that has no Jenkins URL: asking throws there. */
    @NonCPS
    private static String address(Object currentBuild) {
        try {
            return currentBuild.absoluteUrl
        } catch (IllegalStateException ignored) {
            return ''
        }
    }

    @NonCPS
    private static List causes(Object currentBuild) {
        List causes = []
        for (cause in currentBuild.getBuildCauses()) {
            // What a cause does not have is a JSONNull, whose text is "null".
            String text = "${cause.shortDescription}"
            if (causes.size() < MOST_CAUSES) {
                causes << [type: Texts.clean(cause._class, Texts.NAME), text: text == 'null' ? '' : Texts.clean(text, Texts.LONG)]
            }
        }
        return causes
    }

    @NonCPS
    private static Map changes(Object currentBuild, int most, int mostPaths) {
        List items = []
        int total = 0
        for (changes in currentBuild.changeSets) {
            for (change in changes.items) {
                total++
                if (items.size() < most) {
                    items << changed(change, mostPaths)
                }
            }
        }
        return [total: total, items: items]
    }

    @NonCPS
    private static Map changed(Object change, int mostPaths) {
        Map item = [
            id     : Texts.clean(change.commitId ?: '?', Texts.NAME),
            message: Texts.clean(change.msg ?: '', Texts.NAME),
            author : Texts.clean(change.author?.fullName ?: '', Texts.NAME),
            paths  : [],
        ]
        for (path in change.affectedPaths) {
            if (item.paths.size() < mostPaths) {
                item.paths << Texts.clean(path, Texts.NAME)
            }
        }
        if (change.author?.id) {
            item.author_id = Texts.clean(change.author.id, Texts.NAME)
        }
        if (change.timestamp > 0) {
            item.at = change.timestamp
        }
        return item
    }

    @NonCPS
    private static Map failure(Throwable error, Object stage) {
        String type = error.getClass().name
        Map failure = [type: type, message: Texts.clean(error.message ?: type, Texts.LONG)]
        if (stage && !"${stage}".startsWith('Declarative: ')) {
            failure.stage = Texts.clean(stage, Texts.NAME)
        }
        return failure
    }

}
