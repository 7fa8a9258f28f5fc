import notifyemail.BuildNotifier

/**
 * Mails the report of this build. See notifyEmail.txt for the arguments.
 *
 * @return state, id, messageId, statusUrl, previewUrl and error
 */
Map call(Map arguments) {
    return new BuildNotifier(this, arguments).report()
}

Map call() {
    return call([:])
}

/** Runs the body, mails what truly happened, and lets its value or its exception through. */
Object call(Map arguments, Closure body) {
    return new BuildNotifier(this, arguments).around(body)
}

Object call(Closure body) {
    return call([:], body)
}
