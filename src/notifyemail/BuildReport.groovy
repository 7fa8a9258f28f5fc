package notifyemail

import groovy.json.JsonOutput

/**
 * This build as the service's contract describes it (schema 1).
 *
 * Holds only what the Pipeline sandbox lets a Jenkinsfile read of its own build. Everything is @NonCPS:
 * a change set or a JSON array must not live in a local variable when the controller restarts.
 */
final class BuildReport implements Serializable {

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
    static final List<String> RESULTS = Collections.unmodifiableList(['SUCCESS', 'UNSTABLE', 'FAILURE', 'NOT_BUILT', 'ABORTED'])

    /**
     * The report as JSON, in ASCII and on one line.
     *
     * @param script whose variables describe the build where the library is sandboxed: see RunningBuild
     * @param mail the contract's `mail` member
     * @param error what ended the build, where the caller knows; null: currentBuild has the result
     */
    @NonCPS
    static String json(Script script, Map mail, BuildError error) {
        Map report = [schema: 1, build: build(script, error), mail: mail]
        if (error != null) {
            report.error = failure(script, error)
        }
        String json = text(report + [changes: changes(script, MOST_CHANGES, MOST_PATHS)])
        if (json.length() > LARGEST) {
            json = text(report + [changes: changes(script, FEWER_CHANGES, 0)])
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
    static String result(Script script, BuildError error) {
        String known = RunningBuild.currentBuild(script).currentResult
        String thrown = error == null ? known : error.result
        return RESULTS.indexOf(thrown) > RESULTS.indexOf(known) ? thrown : known
    }

    @NonCPS
    private static Map build(Script script, BuildError error) {
        Object currentBuild = RunningBuild.currentBuild(script)
        Map build = [
            job              : Texts.clean(currentBuild.fullProjectName, Texts.NAME),
            number           : currentBuild.number,
            result           : result(script, error),
            started_at       : currentBuild.startTimeInMillis,
            // Negative where somebody has set the clock back.
            duration_ms      : currentBuild.duration < 0 ? 0 : currentBuild.duration,
            display_name     : Texts.clean(currentBuild.displayName, Texts.NAME),
            full_display_name: Texts.clean(currentBuild.fullDisplayName, Texts.NAME),
            causes           : causes(script),
        ]
        String url = address(script)
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
    private static String address(Script script) {
        try {
            return RunningBuild.currentBuild(script).absoluteUrl
        } catch (IllegalStateException ignored) {
            return ''
        }
    }

    @NonCPS
    private static List causes(Script script) {
        List causes = []
        for (cause in RunningBuild.currentBuild(script).getBuildCauses()) {
            // What a cause does not have is a JSONNull, whose text is "null".
            String text = "${cause.shortDescription}"
            if (causes.size() < MOST_CAUSES) {
                causes << [type: Texts.clean(cause._class, Texts.NAME), text: text == 'null' ? '' : Texts.clean(text, Texts.LONG)]
            }
        }
        return causes
    }

    @NonCPS
    private static Map changes(Script script, int most, int mostPaths) {
        List items = []
        int total = 0
        for (changes in RunningBuild.currentBuild(script).changeSets) {
            for (change in changes.items) {
                total++
                if (items.size() >= most) {
                    continue
                }
                // In place: a method of its own would take the change from any caller.
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
                items << item
            }
        }
        return [total: total, items: items]
    }

    @NonCPS
    private static Map failure(Script script, BuildError error) {
        Map failure = [type: error.type, message: error.message]
        String stage = RunningBuild.env(script).STAGE_NAME
        if (stage && !stage.startsWith('Declarative: ')) {
            failure.stage = Texts.clean(stage, Texts.NAME)
        }
        return failure
    }

}
