package hudson.tasks

import harness.Controller
import hudson.model.User

/** Stands in for Mailer's: a user's address. */
class MailAddressResolver {

    static String resolve(User user) {
        return Controller.current.build.address(user.id)
    }

}
