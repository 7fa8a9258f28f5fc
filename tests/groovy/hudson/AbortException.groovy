package hudson

/** Stands in for Jenkins': an error whose message is enough. */
class AbortException extends IOException {

    private static final long serialVersionUID = 1L

    AbortException(String message) {
        super(message)
    }

}
