package controller

import hudson.util.FormValidation
import javax.mail.Message
import javax.mail.MessagingException
import javax.mail.Session
import javax.mail.Transport
import javax.mail.internet.InternetAddress
import javax.mail.internet.MimeMessage

/** Mailer's test e-mail, really sent, by the library that Mailer uses. */
class TestMail {

    private static int count

    /** @return the fragment of HTML that the form shows */
    static String send(Map<String, String> form, String replyTo) {
        Properties properties = new Properties()
        properties.putAll(['mail.smtp.timeout': '60000', 'mail.smtp.connectiontimeout': '60000'])
        properties['mail.smtp.host'] = form.smtpHost
        properties['mail.smtp.port'] = form.smtpPort
        if (form.useTls == 'true') {
            properties['mail.smtp.starttls.enable'] = properties['mail.smtp.starttls.required'] = 'true'
        }
        try {
            MimeMessage mail = new MimeMessage(Session.getInstance(properties))
            count++
            mail.setSubject("Test email #${count}", form.charset)
            mail.setText("This is test email #${count} sent from Jenkins", form.charset)
            // Without an address this throws what Jenkins shows as an error 500.
            mail.from = new InternetAddress(form.adminAddress)
            if (replyTo) {
                mail.replyTo = [new InternetAddress(replyTo)]
            }
            mail.sentDate = new Date()
            mail.setRecipient(Message.RecipientType.TO, new InternetAddress(form.sendTestMailTo))
            Transport.send(mail)
            return FormValidation.ok('Email was successfully sent')
        } catch (MessagingException e) {
            return FormValidation.error("<p>Failed to send out e-mail</p><pre>${escaped(printed(e))}</pre>")
        }
    }

    /** As Jenkins prints an exception: what caused it comes first. */
    static String printed(Throwable e) {
        Throwable cause = e.cause
        String summary = e.toString()
        if (cause) {
            summary = summary - ": ${cause}"
        }
        String trace = e.stackTrace.take(3).collect { line -> "\tat ${line}\n" }.join('')
        return (cause ? printed(cause) + 'Caused: ' : '') + "${summary}\n${trace}"
    }

    private static String escaped(String text) {
        return text.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;').replace('"', '&quot;').replace("'", '&#039;')
    }

}
