package hudson.util

/** Stands in for Jenkins': not Serializable here, so that a test fails where one is kept. */
class Secret {

    final String plainText

    Secret(String plainText) {
        this.plainText = plainText
    }

    static Secret fromString(String text) {
        return new Secret(text)
    }

    static String toString(Secret secret) {
        return secret?.plainText
    }

}
