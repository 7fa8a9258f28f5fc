package hudson.util

/** Stands in for Jenkins': what a check of a form's field answers. */
class FormValidation {

    static String ok(String message) {
        return "<div class=\"ok\">${message}</div>"
    }

    static String error(String html) {
        return "<div class=\"error\">${html}</div>"
    }

}
