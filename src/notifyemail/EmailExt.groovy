package notifyemail

/**
 * The recipients that the Email Extension plugin finds, where it is installed. Its step `emailextrecipients` may read what
 * the sandbox hides: who may read the job, and their addresses.
 */
final class EmailExt implements Serializable {

    private static final long serialVersionUID = 1L

    /** Our kinds of recipients, and the plugin's classes. */
    private static final Map<String, String> PROVIDERS = Collections.unmodifiableMap([
        developers         : 'DevelopersRecipientProvider',
        culprits           : 'CulpritsRecipientProvider',
        requestor          : 'RequesterRecipientProvider',
        upstreamDevelopers : 'UpstreamComitterRecipientProvider',
        brokenTestsSuspects: 'FailingTestSuspectsRecipientProvider',
        brokenBuildSuspects: 'FirstFailingBuildSuspectsRecipientProvider',
        previous           : 'PreviousRecipientProvider',
        contributor        : 'ContributorMetadataRecipientProvider',
    ])

    /** Return the mail with the addresses of its kinds of recipients in `to`. What the plugin doesn't know stays a kind. */
    static Map withAddresses(Script script, Map mail) {
        List providers = providers(mail.recipients)
        if (!providers) {
            return mail
        }
        try {
            return replaced(mail, script.emailextrecipients(providers))
        } catch (Throwable e) {
            // Without the plugin, or with an older one, the service finds the recipients.
            BuildError.throwInterruption(e)
            return mail
        }
    }

    @NonCPS
    private static List providers(List kinds) {
        List providers = []
        for (kind in kinds) {
            String provider = PROVIDERS.get(kind)
            if (provider) {
                providers << [$class: provider]
            }
        }
        return providers
    }

    /** Return the mail with these addresses in place of the kinds that the plugin knows; unchanged if it found none. */
    @NonCPS
    private static Map replaced(Map mail, Object found) {
        if (!(found instanceof String) || !found.trim()) {
            return mail
        }
        Map changed = [:]
        for (entry in mail.entrySet()) {
            if (entry.key != 'recipients') {
                changed.put(entry.key, entry.value)
            }
        }
        changed.put('to', mail.to ? "${mail.to}, ${found}".toString() : found)
        List others = []
        for (kind in mail.recipients) {
            if (!PROVIDERS.containsKey(kind)) {
                others << kind
            }
        }
        if (others) {
            changed.put('recipients', others)
        }
        return changed
    }

}
