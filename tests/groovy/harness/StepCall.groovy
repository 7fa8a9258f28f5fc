package harness

/** A step that the program waits for. */
class StepCall implements Serializable {

    private static final long serialVersionUID = 1L

    final String name
    final List args
    /** '' for an ordinary step, else which end of a block. */
    final String part

    StepCall(String name, List args, String part = '') {
        this.name = name
        this.args = args
        this.part = part
    }

    Map named() {
        return args && args[0] instanceof Map ? args[0] as Map : [:]
    }

}
