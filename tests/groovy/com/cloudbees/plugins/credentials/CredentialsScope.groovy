package com.cloudbees.plugins.credentials

/** Stands in for the credentials plugin's: who may use a credential. */
enum CredentialsScope {

    SYSTEM, GLOBAL, USER

}
