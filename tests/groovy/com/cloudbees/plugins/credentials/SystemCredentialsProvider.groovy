package com.cloudbees.plugins.credentials

import com.cloudbees.plugins.credentials.domains.Domain
import com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl
import controller.Home
import hudson.util.Secret
import org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl

/** Stands in for the credentials plugin's: the credentials of the controller itself. */
class SystemCredentialsProvider {

    private static SystemCredentialsProvider instance

    final List credentials = []
    final StoreImpl store = new StoreImpl()

    SystemCredentialsProvider() {
        Home.load('credentials')?.each { saved ->
            CredentialsScope scope = saved.scope as CredentialsScope
            credentials << (saved.secret ?
                new StringCredentialsImpl(scope, saved.id, saved.description, Secret.fromString(saved.secret)) :
                new UsernamePasswordCredentialsImpl(scope, saved.id, saved.description, saved.username, saved.password))
        }
    }

    static SystemCredentialsProvider getInstance() {
        instance = instance ?: new SystemCredentialsProvider()
        return instance
    }

    static void forget() {
        instance = null
    }

    void save() {
        Home.save('credentials', credentials.collect { one ->
            [scope: one.scope.name(), id: one.id, description: one.description] + (one.hasProperty('secret') ?
                [secret: one.secret.plainText] : [username: one.username, password: one.password.plainText])
        })
    }

    static class StoreImpl implements CredentialsStore {

        @Override
        List getCredentials(Domain domain) {
            assert domain.is(Domain.global())
            return instance.credentials.asImmutable()
        }

        @Override
        boolean addCredentials(Domain domain, Object credentials) {
            assert domain.is(Domain.global())
            instance.credentials.add(credentials)
            instance.save()
            return true
        }

        @Override
        boolean removeCredentials(Domain domain, Object credentials) {
            assert domain.is(Domain.global())
            boolean removed = instance.credentials.remove(credentials)
            instance.save()
            return removed
        }

        @Override
        boolean updateCredentials(Domain domain, Object current, Object replacement) {
            assert domain.is(Domain.global())
            if (current.id != replacement.id) {
                throw new IllegalArgumentException("Credentials' IDs do not match, will not update.")
            }
            int index = instance.credentials.findIndexOf { one -> one.id == current.id }
            if (index >= 0) {
                instance.credentials[index] = replacement
                instance.save()
            }
            return index >= 0
        }

    }

}
