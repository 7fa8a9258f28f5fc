package hudson.plugins.emailext

import controller.Home

/** Stands in for the email-ext plugin's: no setter saves. */
class ExtendedEmailPublisherDescriptor {

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

    void save() {
        Home.save('hudson.plugins.emailext.ExtendedEmailPublisher', [
            smtpHost: mailAccount.smtpHost, smtpPort: mailAccount.smtpPort,
            useSsl  : mailAccount.useSsl, useTls: mailAccount.useTls,
        ])
    }

}
