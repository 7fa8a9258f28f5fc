package harness

import groovy.json.JsonSlurper
import net.sf.json.JSONArray
import org.jenkinsci.plugins.workflow.support.steps.build.RunWrapper

/** A recorded build, read from the JSON of its api/json, with the values that a test changes. */
class Recording {

    /** Null on a controller that has no Jenkins URL. */
    String url
    final Map values
    private final Map recorded

    static Recording load(File folder) {
        return new Recording(new JsonSlurper().parse(new File(folder, 'build.json'), 'UTF-8') as Map)
    }

    Recording(Map recorded) {
        this.recorded = recorded
        url = recorded.url
        List<String> path = (recorded.url =~ '/job/([^/]+)').collect { match -> URLDecoder.decode(match[1], 'UTF-8') }
        List causes = recorded.actions.findAll { action -> action.causes }*.causes.flatten()
        Map before = recorded.previousBuild as Map
        values = [
            currentResult         : recorded.result ?: 'SUCCESS',
            result                : recorded.result,
            number                : recorded.number,
            displayName           : recorded.displayName,
            fullDisplayName       : recorded.fullDisplayName,
            fullProjectName       : path.join('/'),
            description           : recorded.description,
            duration              : recorded.duration as long,
            startTimeInMillis     : recorded.timestamp as long,
            // As getBuildCauses() returns them: a missing value is a JSONNull.
            buildCauses           : JSONArray.fromObject(causes.findAll { cause -> cause.shortDescription }),
            previousCompletedBuild: before == null ? null : [result: before.result],
        ]
    }

    Object value(String name) {
        if (!values.containsKey(name)) {
            throw new MissingPropertyException(name, RunWrapper)
        }
        return values[name]
    }

    void set(String name, Object value) {
        values[name] = value
        if (name == 'result') {
            values.currentResult = value
        }
    }

    String absoluteUrl() {
        if (url == null) {
            throw new IllegalStateException('Jenkins URL not configured')
        }
        return url
    }

    List changeSets() {
        return recorded.changeSets.collect { changes ->
            new RecordedChange(items: changes.items.collect { item ->
                new RecordedChange(
                    commitId: item.commitId, msg: item.msg, timestamp: item.timestamp as long,
                    affectedPaths: item.affectedPaths,
                    author: new RecordedChange(fullName: item.author.fullName, id: item.author.id),
                )
            })
        }
    }

}
