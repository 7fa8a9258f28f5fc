package harness

import groovy.json.JsonSlurper
import net.sf.json.JSONArray
import hudson.model.User
import hudson.plugins.git.GitChangeSet
import org.jenkinsci.plugins.workflow.support.steps.build.RunWrapper

/** A recorded build, read from the JSON of its api/json, with the values that a test changes. */
class Recording {

    /** Null on a controller that has no Jenkins URL. */
    String url
    final Map values
    private final Map recorded
    /** What a trusted library sees from inside: see tests/recordings/inside. A test may change it before the graph is read. */
    Map inside
    /** IDs of the users whom the security realm knows, and who may read the job. */
    Set<String> realm = ['ada', 'bo', 'cy'] as Set
    private RecordedGraph madeGraph

    /** Load a build that was recorded from inside. */
    static Recording inside(String name) {
        Map inside = new JsonSlurper().parse(new File("tests/recordings/inside/${name}.json"), 'UTF-8') as Map
        long start = inside.nodes[0].at
        int number = (inside.state.url =~ '/(\\d+)/$')[0][1] as int
        Recording recording = new Recording([
            url            : "https://jenkins.example.com/${inside.state.url}".toString(), number: number,
            displayName    : "#${number}".toString(), fullDisplayName: "${inside.state.display} #${number}".toString(),
            fullProjectName: inside.state.fullName, description: inside.state.description,
            result         : inside.state.result == 'null' ? null : inside.state.result,
            duration       : inside.nodes*.at.max() - start, timestamp: start,
            actions        : [[causes: inside.people.causes.collect { cause -> [_class: cause.cls, shortDescription: cause.text] }]],
            changeSets     : [],
        ])
        recording.inside = inside
        recording.resultsBefore = inside.history.items*.r
        return recording
    }

    static Recording load(File folder) {
        return new Recording(new JsonSlurper().parse(new File(folder, 'build.json'), 'UTF-8') as Map)
    }

    Recording(Map recorded) {
        this.recorded = recorded
        inside = outside(recorded)
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
            fullProjectName       : recorded.fullProjectName ?: path.join('/'),
            description           : recorded.description,
            duration              : recorded.duration as long,
            startTimeInMillis     : recorded.timestamp as long,
            // As getBuildCauses() returns them: a missing value is a JSONNull.
            buildCauses           : JSONArray.fromObject(causes.findAll { cause -> cause.shortDescription }),
            previousCompletedBuild: before == null ? null : new RecordedBuild(result: before.result),
        ]
    }

    /** Return what a trusted library sees from inside of a build that was not recorded so: as good as nothing. */
    private static Map outside(Map recorded) {
        return [
            changes: recorded.changeSets*.items.flatten().collect { item ->
                [id: item.commitId, msg: item.msg, author: item.author.fullName, authorId: item.author.id, email: item.authorEmail,
                 at: item.timestamp, paths: item.affectedPaths.collect { path -> [path, 'edit'] }]
            },
            people: [causes: [], culprits: []], history: [items: [], lastSuccess: null, estimated: -1], tests: null, actions: [],
            artifacts: [], interrupted: [], heads: ['2'], state: [params: []],
            nodes: [[id: '2', kind: 'FlowStartNode', function: 'Start of Pipeline', name: 'Start of Pipeline', parents: [],
                     enclosing: null, active: true, at: recorded.timestamp]],
        ]
    }

    RecordedGraph getGraph() {
        madeGraph = madeGraph ?: new RecordedGraph(this)
        return madeGraph
    }

    /** Return a user whom a change, a culprit or a cause names. */
    User user(String id) {
        String name = inside.changes.find { change -> change.authorId == id }?.author
        return new User([id: id, name: name ?: inside.people.culprits.find { culprit -> culprit.id == id }?.name ?: id])
    }

    /** Return the address that Mailer finds for a user. */
    String address(String id) {
        return inside.changes.find { change -> change.authorId == id }?.resolved ?:
            inside.people.culprits.find { culprit -> culprit.id == id }?.mail
    }

    /** Return a value, or throw it: in a test a getter may throw anything. */
    static Object read(Object value) {
        if (value instanceof Throwable) {
            throw value
        }
        return value
    }

    /** Let the builds before have these results, the newest first; a result may be an exception. */
    void setResultsBefore(List results) {
        values.previousCompletedBuild = results.reverse().inject(null) { Object before, Object result ->
            new RecordedBuild(result: result, previousCompletedBuild: before)
        }
    }

    Object value(String name) {
        if (!values.containsKey(name)) {
            throw new MissingPropertyException(name, RunWrapper)
        }
        return read(values[name])
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

    /** Return the change sets, which a trusted library reads more of. */
    Object changeSets() {
        return values.containsKey('changeSets') ? value('changeSets') :
            [new RecordedChange(items: read(inside.changes).collect { change -> new GitChangeSet(change) })]
    }

}
