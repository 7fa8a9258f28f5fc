package harness

/** A call of a step, for which the program waits. */
class StepCall implements Serializable {

    private static final long serialVersionUID = 1L

    final String name
    final List args
    /** 'begin' or 'end' of a block; '' for other steps. */
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
