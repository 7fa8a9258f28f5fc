import notifyemail.BuildNotifier

/**
 * Mail the report of this build. The arguments are described in notifyEmail.txt.
 *
 * @return state, id, messageId, statusUrl, previewUrl and error
 */
Map call(Map arguments) {
    BuildNotifier notifier = new BuildNotifier(this, arguments)
    // Cleared, because a variable that a controller can't save would break the first step.
    arguments = [:]
    return notifier.report()
}

Map call() {
    return call([:])
}

/** Run the body and mail its result. Its value or its exception passes through unchanged. */
Object call(Map arguments, Closure body) {
    BuildNotifier notifier = new BuildNotifier(this, arguments)
    arguments = [:]
    return notifier.around(body)
}

Object call(Closure body) {
    return call([:], body)
}
