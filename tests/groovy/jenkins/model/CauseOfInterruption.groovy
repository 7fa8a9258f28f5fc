package jenkins.model

import harness.Recording
import hudson.model.User

/** Stand in for Jenkins': who or what stopped a build. */
class CauseOfInterruption implements Serializable {

    private static final long serialVersionUID = 1L

    Map recorded

    String getShortDescription() {
        return Recording.read(recorded.text)
    }

    static class UserInterruption extends CauseOfInterruption {

        private static final long serialVersionUID = 1L

        User getUser() {
            return recorded.user
        }

    }

}

class InterruptedBuildAction {

    private final List<CauseOfInterruption> recorded

    InterruptedBuildAction(List<CauseOfInterruption> recorded) {
        this.recorded = recorded
    }

    List<CauseOfInterruption> getCauses() {
        return recorded
    }

}
