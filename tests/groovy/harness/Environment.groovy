package harness

/** `env`: the global variables and the build's, with those of the blocks around. Holds nothing itself. */
class Environment implements Serializable {

    private static final long serialVersionUID = 1L

    Object propertyMissing(String name) {
        return Controller.current.environment(name)
    }

    Object getAt(String name) {
        return Controller.current.environment(name)
    }

}
