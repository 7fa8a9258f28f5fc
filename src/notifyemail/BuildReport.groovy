package notifyemail

import groovy.json.JsonOutput

/**
 * The report of the running build: the body of `POST /v1/reports`, schema 1. Pure functions.
 *
 * It has only what the Pipeline sandbox lets a Jenkinsfile read of its own build. Everything is @NonCPS:
 * a controller that restarts could not save a local variable with a change set or a JSON array.
 */
final class BuildReport implements Serializable {

    private static final long serialVersionUID = 1L

    static final int MAX_CAUSES = 100
    static final int MAX_CHANGES = 100
    static final int MAX_PATHS = 50
    /** The contract's limit, in characters. A longer link is left out: a part of it would lead nowhere. */
    static final int MAX_LINK = 8192
    /** Characters of JSON above which the report has fewer changes, without their paths. The service reads 1 MiB. */
    static final int MAX_JSON = 1000000
    static final int FEWER_CHANGES = 20
    /** Jenkins' results, best first. The result of a build never becomes better. */
    static final List<String> RESULTS = Collections.unmodifiableList(['SUCCESS', 'UNSTABLE', 'FAILURE', 'NOT_BUILT', 'ABORTED'])

    /**
     * Return the report as JSON, in ASCII and on one line.
     *
     * @param script its variables describe the build if the library is sandboxed: see RunningBuild
     * @param mail the contract's `mail` member
     * @param error what ended the build; null: currentBuild has the result
     */
    @NonCPS
    static String json(Script script, Map mail, BuildError error) {
        Map report = [schema: 1, build: build(script, error), mail: mail]
        if (error != null) {
            report.error = failure(script, error)
        }
        String json = text(report + [changes: changes(script, MAX_CHANGES, MAX_PATHS)])
        if (json.length() > MAX_JSON) {
            json = text(report + [changes: changes(script, FEWER_CHANGES, 0)])
        }
        return json
    }

    /** Return the JSON of the report's plain values, whatever objects a caller put into it. */
    @NonCPS
    private static String text(Map report) {
        Map plain = JsonValues.plain(report, JsonValues.REPORT_DEPTH)
        return JsonOutput.toJson(plain)
    }

    /**
     * Return the worse of the build's result and the error's: in the catch and finally of a scripted Pipeline
     * the build's is still SUCCESS, because Jenkins sets it when the script has ended.
     */
    @NonCPS
    static String result(Script script, BuildError error) {
        String current = RunningBuild.currentBuild(script).currentResult
        String thrown = error == null ? current : error.result
        return RESULTS.indexOf(thrown) > RESULTS.indexOf(current) ? thrown : current
    }

    @NonCPS
    private static Map build(Script script, BuildError error) {
        Object currentBuild = RunningBuild.currentBuild(script)
        Map build = [
            job              : JsonValues.text(currentBuild.fullProjectName, JsonValues.MAX_NAME),
            number           : currentBuild.number,
            result           : result(script, error),
            started_at       : currentBuild.startTimeInMillis,
            // Negative after the clock was set back.
            duration_ms      : currentBuild.duration < 0 ? 0 : currentBuild.duration,
            display_name     : JsonValues.text(currentBuild.displayName, JsonValues.MAX_NAME),
            full_display_name: JsonValues.text(currentBuild.fullDisplayName, JsonValues.MAX_NAME),
            causes           : causes(script),
        ]
        String url = absoluteUrl(script)
        if (url && url.length() <= MAX_LINK) {
            build.url = url
        }
        if (currentBuild.description) {
            build.description = JsonValues.text(currentBuild.description, JsonValues.MAX_MESSAGE)
        }
        String before = currentBuild.previousCompletedBuild?.result
        if (before) {
            build.previous_result = before
        }
        return build
    }

    /** Return the build's link; none on a controller without a Jenkins URL, where Jenkins throws. */
    @NonCPS
    private static String absoluteUrl(Script script) {
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
            // A member that a cause lacks is a JSONNull, whose text is "null".
            String text = "${cause.shortDescription}"
            String known = text == 'null' ? '' : text
            if (causes.size() < MAX_CAUSES) {
                causes << [type: JsonValues.text(cause._class, JsonValues.MAX_NAME), text: JsonValues.text(known, JsonValues.MAX_MESSAGE)]
            }
        }
        return causes
    }

    @NonCPS
    private static Map changes(Script script, int maxItems, int maxPaths) {
        List items = []
        int total = 0
        for (changes in RunningBuild.currentBuild(script).changeSets) {
            for (change in changes.items) {
                total++
                if (items.size() >= maxItems) {
                    continue
                }
                // Here, because a method for one change could be called with any object.
                Map item = [
                    id     : JsonValues.text(change.commitId ?: '?', JsonValues.MAX_NAME),
                    message: JsonValues.text(change.msg ?: '', JsonValues.MAX_NAME),
                    author : JsonValues.text(change.author?.fullName ?: '', JsonValues.MAX_NAME),
                    paths  : [],
                ]
                for (path in change.affectedPaths) {
                    if (item.paths.size() < maxPaths) {
                        item.paths << JsonValues.text(path, JsonValues.MAX_NAME)
                    }
                }
                if (change.author?.id) {
                    item.author_id = JsonValues.text(change.author.id, JsonValues.MAX_NAME)
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
            failure.stage = JsonValues.text(stage, JsonValues.MAX_NAME)
        }
        return failure
    }

}
