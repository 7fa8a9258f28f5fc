package hudson.util

/** Stands in for Jenkins': not Serializable here, so that a test fails where one is kept. */
class Secret {

    final String plainText

    Secret(String plainText) {
        this.plainText = plainText
    }

    /** An encrypted value is decrypted, anything else is the secret itself. */
    static Secret fromString(String text) {
        return new Secret(text?.startsWith('{AQ') ? new String(text[3..-2].decodeBase64(), 'UTF-8') : text)
    }

    String getEncryptedValue() {
        return "{AQ${plainText.getBytes('UTF-8').encodeBase64()}}"
    }

    static String toString(Secret secret) {
        return secret?.plainText
    }

}
