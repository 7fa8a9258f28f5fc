package harness

import com.cloudbees.plugins.credentials.common.PasswordCredentials
import hudson.util.Secret

/** A credential of the kind "Username with password". */
class StoredCredential implements PasswordCredentials {

    final String id
    final Secret password

    StoredCredential(String id, String password) {
        this.id = id
        this.password = new Secret(password)
    }

}
