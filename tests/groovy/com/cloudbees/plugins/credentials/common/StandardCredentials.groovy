package com.cloudbees.plugins.credentials.common

/** Stands in for the credentials plugin's. */
interface StandardCredentials {

    String getId()

}
