package harness

/** The sandbox's exception: a SecurityException, like script-security's. */
class RejectedAccessException extends SecurityException {

    RejectedAccessException(CharSequence message) {
        super(message.toString())
    }

}
