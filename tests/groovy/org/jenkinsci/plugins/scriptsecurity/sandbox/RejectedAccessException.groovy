package org.jenkinsci.plugins.scriptsecurity.sandbox

/** Stands in for script-security's. */
class RejectedAccessException extends SecurityException {

    RejectedAccessException(String message) {
        super(message)
    }

}
