package hudson.tasks.junit

import harness.Recording

/** Stand in for the junit plugin's: the results of tests. */
class TestResultAction {

    private final Map recorded

    TestResultAction(Map recorded) {
        this.recorded = recorded
    }

    int getTotalCount() {
        return Recording.read(recorded.total) as int
    }

    int getFailCount() {
        return recorded.failed
    }

    int getSkipCount() {
        return recorded.skipped
    }

    List<CaseResult> getFailedTests() {
        return Recording.read(recorded.failures).collect { test -> new CaseResult(test) }
    }

}

class CaseResult {

    private final Map recorded

    CaseResult(Map recorded) {
        this.recorded = recorded
    }

    String getName() {
        return recorded.name
    }

    String getClassName() {
        return recorded.className
    }

    String getDisplayName() {
        return recorded.display
    }

    int getAge() {
        return recorded.age
    }

    int getFailedSince() {
        return recorded.since
    }

    String getErrorDetails() {
        return recorded.details
    }

    String getErrorStackTrace() {
        return recorded.stack
    }

    float getDuration() {
        return recorded.duration
    }

    SuiteResult getSuiteResult() {
        return recorded.suite == null ? null : new SuiteResult(recorded.suite)
    }

    List<String> getEnclosingFlowNodeNames() {
        return recorded.stage
    }

}

class SuiteResult {

    final String name

    SuiteResult(String name) {
        this.name = name
    }

}
