package hudson.model

/** Stands in for Jenkins'. */
class Result implements Serializable {

    private static final long serialVersionUID = 1L

    private final String recorded

    private Result(String recorded) {
        this.recorded = recorded
    }

    static Result fromString(String name) {
        return name == null ? null : new Result(name)
    }

    @Override
    String toString() {
        return recorded
    }

}
