package harness

/** What the sandbox throws: a SecurityException, as script-security's. */
class RejectedAccessException extends SecurityException {

    RejectedAccessException(CharSequence message) {
        super(message.toString())
    }

}
