package notifyemail.inside

import notifyemail.JsonValues

/** The results that the step `junit` has read. The plugin may be missing, so its classes are known by their names. */
final class TestResults {

    static final int MAX_TESTS = 200
    /** Characters of one test's message and stack trace together, and of its message alone. */
    static final int MAX_TEXT = 2048
    static final int MAX_MESSAGE = 1024

    TestResults() {
        OwnBuild.require()
    }

    /** Return the contract's `tests`; null: there are none. */
    @NonCPS
    Map read() {
        for (action in OwnBuild.run().actions) {
            if (JsonValues.className(action) == 'hudson.tasks.junit.TestResultAction') {
                Map tests = [total: action.totalCount, failed: action.failCount, skipped: action.skipCount, failures: []]
                for (test in action.failedTests) {
                    if (tests.failures.size() >= MAX_TESTS) {
                        break
                    }
                    tests.failures << failedTest(test)
                }
                return tests
            }
        }
        return null
    }

    @NonCPS
    private Map failedTest(Object test) {
        Map failed = [name: JsonValues.name(test.name) ?: JsonValues.UNREADABLE, class_name: JsonValues.name(test.className)]
        String message = JsonValues.text(test.errorDetails ?: '', MAX_MESSAGE)
        String stackTrace = JsonValues.text(test.errorStackTrace ?: '', MAX_TEXT - message.length())
        Map others = [
            message     : PlainText.withoutPasswords(message), stack_trace: PlainText.withoutPasswords(stackTrace),
            age         : test.age, failed_since: test.failedSince, duration_ms: Math.round(test.duration * 1000d),
            suite       : JsonValues.name(test.suiteResult?.name), stage: stage(test),
        ]
        for (entry in others.entrySet()) {
            if (entry.value instanceof Number ? entry.value > 0 : entry.value) {
                failed.put(entry.key, entry.value)
            }
        }
        return failed
    }

    /** Return the innermost stage that has read the test. */
    @NonCPS
    private String stage(Object test) {
        List names = test.enclosingFlowNodeNames
        return names ? JsonValues.name(names[0]) : ''
    }

}
