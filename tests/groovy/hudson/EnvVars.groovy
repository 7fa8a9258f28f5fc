package hudson

/** Stands in for Jenkins': names differ by more than case. */
class EnvVars extends TreeMap<String, String> {

    private static final long serialVersionUID = 1L

    EnvVars() {
        super(String.CASE_INSENSITIVE_ORDER)
    }

}
