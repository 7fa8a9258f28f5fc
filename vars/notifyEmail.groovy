import notifyemail.BuildNotifier

/**
 * Mails the report of this build. See notifyEmail.txt for the arguments.
 *
 * @return state, id, messageId, statusUrl, previewUrl and error
 */
Map call(Map arguments) {
    BuildNotifier notifier = new BuildNotifier(this, arguments)
    // Replaced: a variable that can't be saved would break the first step.
    arguments = [:]
    return notifier.report()
}

Map call() {
    return call([:])
}

/** Runs the body, mails what truly happened, and lets its value or its exception through. */
Object call(Map arguments, Closure body) {
    BuildNotifier notifier = new BuildNotifier(this, arguments)
    arguments = [:]
    return notifier.around(body)
}

Object call(Closure body) {
    return call([:], body)
}
