package hudson.plugins.emailext

/** Stands in for the email-ext plugin's: a mail server and how to speak with it. */
class MailAccount {

    private String smtpHost
    private String smtpPort = '25'
    String address
    String credentialsId
    boolean useSsl
    boolean useTls

    String getSmtpHost() {
        return smtpHost
    }

    void setSmtpHost(String smtpHost) {
        this.smtpHost = smtpHost?.trim() ?: null
    }

    String getSmtpPort() {
        return smtpPort
    }

    void setSmtpPort(String smtpPort) {
        if (smtpPort?.trim() && !(smtpPort.trim() ==~ /\d{1,5}/)) {
            throw new IllegalArgumentException('SMTP port must be a valid number')
        }
        this.smtpPort = smtpPort?.trim() ?: null
    }

}
