package com.cloudbees.plugins.credentials.domains

/** Stands in for the credentials plugin's: the one domain that is asked for. */
class Domain {

    private static final Domain GLOBAL = new Domain()

    static Domain global() {
        return GLOBAL
    }

}
