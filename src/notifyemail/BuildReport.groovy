package notifyemail

import groovy.json.JsonOutput

/**
 * The report of the running build: the body of `POST /v1/reports`, schema 2. Pure functions.
 *
 * It has only what the Pipeline sandbox lets a Jenkinsfile read of its own build; inside.InsideReport adds the rest
 * in a trusted library. Everything is @NonCPS:
 * a controller that restarts could not save a local variable with a change set or a JSON array.
 *
 * A report is worth more than its parts. Jenkins and its plugins may throw anything where they are read, so each
 * optional value is read by itself: in a loop with a `switch`, because a method or closure that takes an object
 * could be called by a Jenkinsfile with any object. What is empty is left out.
 */
final class BuildReport implements Serializable {

    private static final long serialVersionUID = 1L

    /** The version of the report's format. */
    static final int SCHEMA = 2
    static final int MAX_CAUSES = 100
    static final int MAX_CHANGES = 100
    static final int MAX_PATHS = 50
    /** Changes that are counted, and builds in which the previous result is looked for. */
    static final int MAX_COUNTED = 10000
    static final int MAX_BUILDS = 30
    /** The contract's last time, in milliseconds: the end of the year 9999. */
    static final long MAX_TIME = 253402300799999
    /** The contract's limit, in characters. A longer link is left out: a part of it would lead nowhere. */
    static final int MAX_LINK = 8192
    /** A link as the contract takes it. A Jenkins URL may lack its scheme. */
    static final String HTTP_LINK = 'https?://[^\\s/?#]\\S*'
    /** Characters of JSON above which the report has fewer changes, without their paths. The service reads 1 MiB. */
    static final int MAX_JSON = 1000000
    static final int FEWER_CHANGES = 20
    /** Optional members of the contract's `build`, and the members of a change. */
    static final List<String> BUILD_MEMBERS = Collections.unmodifiableList([
        'duration_ms', 'display_name', 'full_display_name', 'url', 'description', 'previous_result', 'contributor', 'branch', 'causes'])
    static final List<String> CHANGE_MEMBERS = Collections.unmodifiableList([
        'id', 'message', 'author', 'author_id', 'at', 'paths'])
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
        Map report = describe(script, mail, error)
        String json = JsonOutput.toJson(report + [changes: changes(script, MAX_CHANGES, MAX_PATHS)])
        if (json.length() > MAX_JSON) {
            json = JsonOutput.toJson(report + [changes: changes(script, FEWER_CHANGES, 0)])
        }
        return json
    }

    /** Return the report without the build's changes, in plain values: see `json`. */
    @NonCPS
    static Map describe(Script script, Map mail, BuildError error) {
        Map report = [schema: SCHEMA, build: build(script, error), mail: JsonValues.plain(mail, JsonValues.MAIL_DEPTH)]
        if (error != null) {
            report.error = failure(script, error)
        }
        return report
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

    /** Return the contract's `build`. Without one of the first four values there is no report. */
    @NonCPS
    private static Map build(Script script, BuildError error) {
        Object currentBuild = RunningBuild.currentBuild(script)
        Map build = [
            job       : JsonValues.text(currentBuild.fullProjectName, JsonValues.MAX_NAME),
            number    : currentBuild.number,
            result    : result(script, error),
            started_at: currentBuild.startTimeInMillis,
        ]
        for (member in BUILD_MEMBERS) {
            try {
                Object value = null
                switch (member) {
                    case 'duration_ms':
                        long duration = currentBuild.duration
                        // Negative after the clock was set back.
                        value = duration < 0 ? 0 : duration
                        break
                    case 'display_name':
                        value = JsonValues.name(currentBuild.displayName)
                        break
                    case 'full_display_name':
                        value = JsonValues.name(currentBuild.fullDisplayName)
                        break
                    case 'url':
                        // On a controller without a Jenkins URL it throws.
                        String url = currentBuild.absoluteUrl
                        value = url ==~ HTTP_LINK && url.length() <= MAX_LINK ? url : ''
                        break
                    case 'description':
                        value = JsonValues.text(currentBuild.description ?: '', JsonValues.MAX_MESSAGE)
                        break
                    case 'previous_result':
                        value = previousResult(script)
                        break
                    case 'contributor':
                        value = contributor(script)
                        break
                    case 'branch':
                        value = changeRequest(script)
                        break
                    default:
                        value = causes(script)
                }
                if (value != null && value != '') {
                    build.put(member, value)
                }
            } catch (Throwable e) {
                BuildError.throwInterruption(e)
            }
        }
        return build
    }

    /**
     * Return the result of the last build before that succeeded, was unstable or failed; null: there is none. A build
     * that was aborted or not built is passed over: it says nothing about the code.
     */
    @NonCPS
    private static String previousResult(Script script) {
        Object build = RunningBuild.currentBuild(script).previousCompletedBuild
        for (int seen = 0; build != null && seen < MAX_BUILDS; seen++) {
            try {
                String result = build.result
                if (result in ['SUCCESS', 'UNSTABLE', 'FAILURE']) {
                    return result
                }
            } catch (Throwable e) {
                BuildError.throwInterruption(e)
            }
            build = build.previousCompletedBuild
        }
        return null
    }

    /** Return the author of the change request that is built, as a person; null: it is none, or Jenkins doesn't know. */
    @NonCPS
    private static Map contributor(Script script) {
        Object env = RunningBuild.env(script)
        Map person = [id: JsonValues.name(env.CHANGE_AUTHOR), name: JsonValues.name(env.CHANGE_AUTHOR_DISPLAY_NAME),
                      email: JsonValues.name(env.CHANGE_AUTHOR_EMAIL)]
        return person.id || person.email ? person : null
    }

    /** Return the branch of a change request, and whether that comes from a fork; null: it is none. */
    @NonCPS
    private static Map changeRequest(Script script) {
        Object env = RunningBuild.env(script)
        String id = JsonValues.name(env.CHANGE_ID)
        String name = JsonValues.name(env.BRANCH_NAME)
        return id && name ? [name: name, change_request: [
            id: id, target: JsonValues.name(env.CHANGE_TARGET), from_fork: JsonValues.name(env.CHANGE_FORK) != '',
        ]] : null
    }

    @NonCPS
    private static List causes(Script script) {
        List causes = []
        try {
            for (cause in RunningBuild.currentBuild(script).getBuildCauses()) {
                if (causes.size() >= MAX_CAUSES) {
                    break
                }
                // A member that a cause lacks is a JSONNull, whose text is "null".
                String text = "${cause.shortDescription}".trim()
                if (text && text != 'null') {
                    String type = JsonValues.name(cause._class) ?: JsonValues.UNREADABLE
                    causes << [type: type, text: JsonValues.text(text, JsonValues.MAX_MESSAGE)]
                }
            }
        } catch (Throwable e) {
            BuildError.throwInterruption(e)
            causes << [type: JsonValues.UNREADABLE, text: "Jenkins can't say why it started: ${BuildError.reason(e)}".toString()]
        }
        return causes
    }

    @NonCPS
    private static Map changes(Script script, int maxItems, int maxPaths) {
        List found = changeObjects(script)
        List items = []
        for (change in found) {
            if (items.size() >= maxItems) {
                break
            }
            Map item = [id: JsonValues.UNREADABLE, message: JsonValues.UNREADABLE, author: JsonValues.UNREADABLE, paths: []]
            for (member in CHANGE_MEMBERS) {
                try {
                    switch (member) {
                        case 'id':
                            item.id = JsonValues.name(change.commitId) ?: JsonValues.UNREADABLE
                            break
                        case 'message':
                            item.message = JsonValues.text(change.msg ?: '', JsonValues.MAX_NAME)
                            break
                        case 'author':
                            item.author = JsonValues.name(change.author?.fullName)
                            break
                        case 'author_id':
                            String id = JsonValues.name(change.author?.id)
                            if (id) {
                                item.author_id = id
                            }
                            break
                        case 'at':
                            long at = change.timestamp
                            if (at > 0 && at <= MAX_TIME) {
                                item.at = at
                            }
                            break
                        default:
                            for (path in change.affectedPaths) {
                                if (item.paths.size() >= maxPaths) {
                                    break
                                }
                                item.paths << (JsonValues.name(path) ?: JsonValues.UNREADABLE)
                            }
                    }
                } catch (Throwable e) {
                    BuildError.throwInterruption(e)
                }
            }
            items << item
        }
        return [total: found.size(), items: items]
    }

    /** Return the build's change objects, as Jenkins has them. In place of a change set that can't be read stands a change that says so. */
    @NonCPS
    static List changeObjects(Script script) {
        List changes = []
        try {
            for (changeSet in RunningBuild.currentBuild(script).changeSets) {
                try {
                    for (change in changeSet?.items) {
                        if (changes.size() >= MAX_COUNTED) {
                            return changes
                        }
                        if (change != null) {
                            changes << change
                        }
                    }
                } catch (Throwable e) {
                    BuildError.throwInterruption(e)
                    changes << unreadableChange(e)
                }
            }
        } catch (Throwable e) {
            BuildError.throwInterruption(e)
            changes << unreadableChange(e)
        }
        return changes
    }

    @NonCPS
    private static Map unreadableChange(Throwable e) {
        return [msg: "Jenkins can't read these changes: ${BuildError.reason(e)}".toString(), timestamp: 0]
    }

    @NonCPS
    private static Map failure(Script script, BuildError error) {
        Map failure = [type: JsonValues.name(error.type), message: JsonValues.text(error.message, JsonValues.MAX_MESSAGE)]
        try {
            String stage = JsonValues.name(RunningBuild.env(script).STAGE_NAME)
            if (stage && !stage.startsWith('Declarative: ')) {
                failure.stage = stage
            }
        } catch (Throwable e) {
            BuildError.throwInterruption(e)
        }
        return failure
    }

}
