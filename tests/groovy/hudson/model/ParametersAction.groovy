package hudson.model

/** Stands in for Jenkins': a build's parameters. */
class ParametersAction {

    private final List<String> recorded

    ParametersAction(List<String> recorded) {
        this.recorded = recorded
    }

    List<ParameterValue> getParameters() {
        return recorded.collect { name -> new ParameterValue(name) }
    }

}

class ParameterValue {

    final String name

    ParameterValue(String name) {
        this.name = name
    }

    Object getValue() {
        throw new AssertionError('The value of a parameter is nobody\'s business.')
    }

}
