package hudson.plugins.emailext

import controller.Home
import hudson.model.Descriptor

/** Stands in for the email-ext plugin's: no setter saves. */
class ExtendedEmailPublisherDescriptor extends Descriptor {

    final String id = ExtendedEmailPublisher.name

    private MailAccount mailAccount = new MailAccount()

    ExtendedEmailPublisherDescriptor() {
        Home.load('hudson.plugins.emailext.ExtendedEmailPublisher')?.each { name, value -> mailAccount."$name" = value }
    }

    MailAccount getMailAccount() {
        return mailAccount
    }

    void setMailAccount(MailAccount mailAccount) {
        this.mailAccount = mailAccount
    }

    @Override
    Object getState() {
        return [
            smtpHost: mailAccount.smtpHost, smtpPort: mailAccount.smtpPort,
            useSsl  : mailAccount.useSsl, useTls: mailAccount.useTls,
        ]
    }

}
