package harness

/**
 * `env`: the global variables and the build's, with those of the blocks around. Holds nothing itself.
 *
 * As on a controller it has properties and no getAt: `env[name]` is Groovy's own, which the sandbox refuses.
 */
class Environment implements Serializable {

    private static final long serialVersionUID = 1L

    @Override
    Object getProperty(String name) {
        return Controller.current.environment(name)
    }

}
