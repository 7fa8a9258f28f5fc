package org.jenkinsci.plugins.plaincredentials.impl

import com.cloudbees.plugins.credentials.CredentialsScope
import com.cloudbees.plugins.credentials.common.StandardCredentials
import hudson.util.Secret

/** Stands in for the plain-credentials plugin's: the kind "Secret text". */
class StringCredentialsImpl implements StandardCredentials {

    final CredentialsScope scope
    final String id
    final String description
    final Secret secret

    StringCredentialsImpl(CredentialsScope scope, String id, String description, Secret secret) {
        this.scope = scope
        this.id = id
        this.description = description
        this.secret = secret
    }

}
