package controller

import groovy.json.JsonSlurper

/** Who asks, and what he may do: Basic with an API token or a password, and crumbs. */
class Access {

    /** The user; null: nobody whom it knows, and that is refused outright. */
    String user = 'anonymous'
    boolean byToken
    private Map account = [permissions: []]

    static boolean security = true
    static boolean crumbs = true

    static Access of(String authorization) {
        Access access = new Access()
        if (!security) {
            access.account = [permissions: ['Overall/Read', 'Overall/Administer']]
        } else if (authorization?.startsWith('Basic ')) {
            List<String> pair = new String(authorization.substring(6).decodeBase64(), 'UTF-8').split(':', 2) as List
            Map known = (new JsonSlurper().parse(new File(Home.folder, 'users.json')) as Map)[pair[0]]
            access.byToken = known != null && known.token == pair[1]
            access.user = access.byToken || (known && known.password == pair[1]) ? pair[0] : null
            access.account = known
        }
        return access
    }

    boolean may(String permission) {
        return permission in account.permissions
    }

    /** A crumb belongs to a session; who shows an API token needs none. */
    static String crumb(String session) {
        return Integer.toHexString("${session} crumb".hashCode())
    }

}
