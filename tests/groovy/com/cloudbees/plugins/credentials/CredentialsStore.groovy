package com.cloudbees.plugins.credentials

import com.cloudbees.plugins.credentials.domains.Domain

/** Stands in for the credentials plugin's. */
interface CredentialsStore {

    List getCredentials(Domain domain)

    boolean addCredentials(Domain domain, Object credentials)

    boolean removeCredentials(Domain domain, Object credentials)

    boolean updateCredentials(Domain domain, Object current, Object replacement)

}
