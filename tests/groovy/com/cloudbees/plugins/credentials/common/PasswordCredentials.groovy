package com.cloudbees.plugins.credentials.common

import hudson.util.Secret

/** Stands in for the credentials plugin's. */
interface PasswordCredentials extends StandardCredentials {

    Secret getPassword()

}
