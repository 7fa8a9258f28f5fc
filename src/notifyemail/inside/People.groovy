package notifyemail.inside

import hudson.model.Item
import hudson.tasks.MailAddressResolver
import notifyemail.BuildError
import notifyemail.JsonValues

/** People as Jenkins knows them. Nobody is made a user. */
final class People {

    /** Of so many people address and permission are looked up: a directory may answer slowly. */
    static final int MAX_LOOKUPS = 50

    /** User ID → the contract's person. */
    private final Map<String, Map> known = [:]

    People() {
        OwnBuild.require()
    }

    /** Return whether not everybody could be looked up. */
    @NonCPS
    boolean isCut() {
        return known.size() > MAX_LOOKUPS
    }

    /** Return the contract's person; null: there is no user. */
    @NonCPS
    Map person(Object user) {
        if (user == null) {
            return null
        }
        String id = JsonValues.name(user.id)
        Map person = known.get(id)
        if (person == null) {
            person = [id: id, name: JsonValues.name(user.fullName)]
            if (known.size() < MAX_LOOKUPS) {
                lookUp(person, user)
            }
            known.put(id, person)
        }
        return person
    }

    @NonCPS
    private void lookUp(Map person, Object user) {
        try {
            String address = JsonValues.name(MailAddressResolver.resolve(user))
            if (address) {
                person.email = address
            }
        } catch (Throwable e) {
            BuildError.throwInterruption(e)
        }
        try {
            // It throws for somebody whom the security realm does not know, such as the author of a commit.
            if (OwnBuild.run().parent.getACL().hasPermission2(user.impersonate2(), Item.READ)) {
                person.may_read = true
            }
        } catch (Throwable e) {
            BuildError.throwInterruption(e)
        }
    }

}
