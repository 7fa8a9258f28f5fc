package jenkins.scm.api

import harness.Controller
import harness.Recording
import jenkins.scm.api.mixin.ChangeRequestSCMHead

/** Stand in for scm-api's: the branch or change request that a job builds. */
class SCMHead {

    protected final Map recorded

    SCMHead(Map recorded) {
        this.recorded = recorded
    }

    String getName() {
        return recorded.name
    }

    SCMHeadOrigin getOrigin() {
        return recorded.fork ? new SCMHeadOrigin.Fork() : new SCMHeadOrigin.Default()
    }

    abstract static class HeadByItem {

        static SCMHead findHead(Object job) {
            assert job.is(Controller.current.run.parent)
            Map branch = Recording.read(Controller.current.build.inside.branch) as Map
            return branch == null ? null : branch.changeRequest ? new PullRequest(branch + branch.changeRequest) : new SCMHead(branch)
        }

    }

}

class PullRequest extends SCMHead implements ChangeRequestSCMHead {

    PullRequest(Map recorded) {
        super(recorded)
    }

    @Override
    String getId() {
        return recorded.id
    }

    @Override
    SCMHead getTarget() {
        return new SCMHead([name: recorded.target])
    }

}

abstract class SCMHeadOrigin {

    static class Default extends SCMHeadOrigin { }

    static class Fork extends SCMHeadOrigin { }

}
