package harness

/** A build before the running one. A member that is an exception is thrown. */
class RecordedBuild {

    Object result
    Object previousCompletedBuild

    Object getResult() {
        return Recording.read(result)
    }

    Object getPreviousCompletedBuild() {
        return Recording.read(previousCompletedBuild)
    }

}
