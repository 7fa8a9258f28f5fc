package notifyemail.inside

import hudson.model.Cause
import hudson.model.ParametersAction
import hudson.model.User
import jenkins.model.Jenkins
import notifyemail.BuildReport
import notifyemail.JsonValues

/** Why the build was started, and who answers for it. */
final class Causes {

    static final int MAX_PEOPLE = 200
    static final int MAX_PARAMETERS = 100
    /** How far builds that start builds are followed. */
    static final int MAX_DEPTH = 10
    private static final String REPLAY = 'org.jenkinsci.plugins.workflow.cps.replay.ReplayCause'
    private static final String RESTART = 'org.jenkinsci.plugins.pipeline.modeldefinition.causes.RestartDeclarativePipelineCause'

    private final People people

    Causes(People people) {
        OwnBuild.require()
        this.people = people
    }

    /** Return the contract's `culprits`. */
    @NonCPS
    List<Map> culprits() {
        return peopleOf(OwnBuild.run().culprits)
    }

    @NonCPS
    private List<Map> peopleOf(Collection users) {
        List<Map> persons = []
        for (user in users) {
            if (persons.size() >= MAX_PEOPLE) {
                break
            }
            persons << people.person(user)
        }
        return persons
    }

    /** Return the contract's `requestor`, who started the build or the first of those that led to it; null: nobody. */
    @NonCPS
    Map requestor() {
        return starter(OwnBuild.run().causes, 0)
    }

    @NonCPS
    private Map starter(List causes, int depth) {
        for (cause in causes) {
            Map person = null
            if (cause instanceof Cause.UserIdCause) {
                person = cause.userId ? people.person(User.getById(cause.userId, false)) : null
            } else if (cause instanceof Cause.UpstreamCause && depth < MAX_DEPTH) {
                person = starter(cause.upstreamCauses, depth + 1)
            }
            if (person) {
                return person
            }
        }
        return null
    }

    /** Return the contract's `upstream`; null: no other build started this one. */
    @NonCPS
    Map upstream() {
        Cause.UpstreamCause cause = upstreamCause()
        if (cause == null) {
            return null
        }
        Map upstream = [job: JsonValues.name(cause.upstreamProject), number: cause.upstreamBuild]
        String url = "${Jenkins.get().rootUrl ?: ''}${cause.upstreamUrl}${cause.upstreamBuild}/"
        if (url ==~ BuildReport.HTTP_LINK && url.length() <= BuildReport.MAX_LINK) {
            upstream.url = url
        }
        return upstream
    }

    /** Return the change request's author as Jenkins knows them, else as the source says; null: there is none. */
    @NonCPS
    Map contributor(Map named) {
        Map known = named?.id ? people.person(User.getById(named.id, false)) : null
        return known?.email ? known : named
    }

    /** Return the contract's `upstream_culprits`: the authors of the changes of all builds that led to this one. */
    @NonCPS
    List<Map> upstreamCulprits() {
        Map<String, Map> authors = [:]
        addAuthors(authors, OwnBuild.run().causes, 0)
        return new ArrayList<Map>(authors.values())
    }

    @NonCPS
    private void addAuthors(Map<String, Map> authors, List causes, int depth) {
        for (cause in causes) {
            if (cause instanceof Cause.UpstreamCause && depth < MAX_DEPTH) {
                // Null: that build was deleted.
                for (changeSet in cause.upstreamRun?.changeSets) {
                    for (change in changeSet.items) {
                        Map person = authors.size() < MAX_PEOPLE ? people.person(change.author) : null
                        if (person) {
                            authors.put(person.id, person)
                        }
                    }
                }
                addAuthors(authors, cause.upstreamCauses, depth + 1)
            }
        }
    }

    @NonCPS
    private Cause.UpstreamCause upstreamCause() {
        for (cause in OwnBuild.run().causes) {
            if (cause instanceof Cause.UpstreamCause) {
                return cause
            }
        }
        return null
    }

    /** Return the contract's `replayed_from`; null: it is no replay. */
    @NonCPS
    Integer replayedFrom() {
        for (cause in OwnBuild.run().causes) {
            if (JsonValues.className(cause) == REPLAY) {
                return cause.originalNumber
            }
        }
        return null
    }

    /** Return the contract's `restarted_from`; empty: it was not restarted. */
    @NonCPS
    String restartedFrom() {
        for (cause in OwnBuild.run().causes) {
            if (JsonValues.className(cause) == RESTART) {
                return JsonValues.name(cause.originStage)
            }
        }
        return ''
    }

    /** Return the contract's `parameters`: names only. */
    @NonCPS
    List<String> parameters() {
        List<String> names = []
        for (parameter in OwnBuild.run().getAction(ParametersAction)?.parameters) {
            if (names.size() >= MAX_PARAMETERS) {
                break
            }
            names << JsonValues.name(parameter.name)
        }
        return names
    }

}
