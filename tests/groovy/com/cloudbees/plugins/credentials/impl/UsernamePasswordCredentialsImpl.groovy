package com.cloudbees.plugins.credentials.impl

import com.cloudbees.plugins.credentials.CredentialsScope
import com.cloudbees.plugins.credentials.common.StandardCredentials
import hudson.util.Secret

/** Stands in for the credentials plugin's: the kind "Username with password". */
class UsernamePasswordCredentialsImpl implements StandardCredentials {

    final CredentialsScope scope
    final String id
    final String description
    final String username
    final Secret password

    UsernamePasswordCredentialsImpl(CredentialsScope scope, String id, String description, String username, String password) {
        this.scope = scope
        this.id = id ?: UUID.randomUUID()
        this.description = description
        this.username = username ?: ''
        this.password = Secret.fromString(password)
    }

}
