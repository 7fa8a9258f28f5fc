package jenkins.scm.api.mixin

/** Stands in for scm-api's. */
interface ChangeRequestSCMHead {

    String getId()

    Object getTarget()

}
