package hudson.tasks

import controller.Home
import controller.TestMail
import hudson.model.Descriptor
import hudson.util.Secret
import jenkins.model.JenkinsLocationConfiguration

/** Stands in for the mailer plugin's, from 1.25 on: every setter saves. */
class Mailer {

    private static DescriptorImpl instance

    static DescriptorImpl descriptor() {
        instance = instance ?: new DescriptorImpl()
        return instance
    }

    static void forget() {
        instance = null
    }

    static class DescriptorImpl extends Descriptor {

        final String id = Mailer.name

        private static final List<String> SAVED = [
            'defaultSuffix', 'replyToAddress', 'smtpHost', 'useSsl', 'useTls', 'smtpPort', 'charset',
        ]

        private String defaultSuffix
        private String replyToAddress
        private String smtpHost
        private boolean useSsl
        private boolean useTls
        private String smtpPort
        private String charset
        private SMTPAuthentication authentication

        DescriptorImpl() {
            Home.load('hudson.tasks.Mailer')?.each { name, value -> this.@"$name" = value }
        }

        String getDefaultSuffix() {
            return defaultSuffix
        }

        void setDefaultSuffix(String defaultSuffix) {
            this.defaultSuffix = defaultSuffix
            save()
        }

        String getReplyToAddress() {
            return replyToAddress
        }

        void setReplyToAddress(String address) {
            replyToAddress = address?.trim() ?: null
            save()
        }

        String getSmtpHost() {
            return smtpHost
        }

        void setSmtpHost(String smtpHost) {
            this.smtpHost = smtpHost?.trim() ?: null
            save()
        }

        boolean getUseSsl() {
            return useSsl
        }

        void setUseSsl(boolean useSsl) {
            this.useSsl = useSsl
            save()
        }

        boolean getUseTls() {
            return useTls
        }

        void setUseTls(boolean useTls) {
            this.useTls = useTls
            save()
        }

        String getSmtpPort() {
            return smtpPort
        }

        void setSmtpPort(String smtpPort) {
            this.smtpPort = smtpPort?.trim() ?: null
            save()
        }

        String getCharset() {
            return charset ?: 'UTF-8'
        }

        void setCharset(String charset) {
            this.charset = charset ?: 'UTF-8'
            save()
        }

        SMTPAuthentication getAuthentication() {
            return authentication
        }

        void setAuthentication(SMTPAuthentication authentication) {
            this.authentication = authentication
            save()
        }

        String getAdminAddress() {
            return JenkinsLocationConfiguration.get().adminAddress
        }

        @Override
        Object getState() {
            return SAVED.collectEntries { name -> [name, this.@"$name"] }
        }

        /** "Test configuration by sending test e-mail": the form's values, not the saved ones. */
        String doSendTestMail(Map<String, String> form) {
            return TestMail.send(form, replyToAddress)
        }

    }

    static class SMTPAuthentication {

        final String username
        final Secret password

        SMTPAuthentication(String username, Secret password) {
            this.username = username
            this.password = password
        }

    }

}
