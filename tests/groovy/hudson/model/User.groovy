package hudson.model

import harness.Controller

/** Stands in for Jenkins': somebody who has logged in, or whom a commit names. */
class User {

    private final Map recorded

    User(Map recorded) {
        this.recorded = recorded
    }

    String getId() {
        return recorded.id
    }

    String getFullName() {
        return recorded.name
    }

    /** Fails for somebody whom the security realm does not know. */
    Object impersonate2() {
        if (!(id in Controller.current.build.realm)) {
            throw new IllegalStateException("UsernameNotFoundException: ${id}")
        }
        return id
    }

    static User getById(String id, boolean create) {
        assert !create : 'Nobody is made a user.'
        return Controller.current.build.user(id)
    }

}
