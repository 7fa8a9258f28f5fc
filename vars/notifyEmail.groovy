import notifyemail.BuildNotifier
import notifyemail.Options

/**
 * Mails the report of this build. See notifyEmail.txt for the arguments.
 *
 * @return state, id, messageId, statusUrl, previewUrl and error
 */
Map call(Map arguments) {
    // Replaced: a variable that can't be saved would break the first step.
    arguments = Options.checked(arguments)
    return new BuildNotifier(this, arguments).report()
}

Map call() {
    return call([:])
}

/** Runs the body, mails what truly happened, and lets its value or its exception through. */
Object call(Map arguments, Closure body) {
    arguments = Options.checked(arguments)
    return new BuildNotifier(this, arguments).around(body)
}

Object call(Closure body) {
    return call([:], body)
}
