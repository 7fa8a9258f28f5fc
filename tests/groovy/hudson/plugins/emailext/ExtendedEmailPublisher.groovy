package hudson.plugins.emailext

/** Stands in for the email-ext plugin's. */
class ExtendedEmailPublisher {

    private static ExtendedEmailPublisherDescriptor instance

    static ExtendedEmailPublisherDescriptor descriptor() {
        instance = instance ?: new ExtendedEmailPublisherDescriptor()
        return instance
    }

    static void forget() {
        instance = null
    }

}
