package notifyemail.inside

import groovy.json.JsonOutput

/** Makes a report small enough: it is cut in the order log, tests, changes, and then all that has many entries. */
final class ReportSize {

    /** Bytes of JSON. The service reads 1 MiB. */
    static final int MAX_JSON = 921600
    private static final List<String> CUTS = Collections.unmodifiableList([
        'log', 'step log', 'no step log', 'stack traces', 'tests', 'files', 'changes', 'stages', 'warnings', 'artifacts',
        'causes', 'culprits', 'upstream_culprits', 'parameters', 'checkouts'])
    /** So many entries of a list are kept, and none if that is still too much. */
    private static final List<Integer> FEWER = Collections.unmodifiableList([20, 0])
    private static final int SHORT_LOG = 8192

    private final Map report
    private final List missing

    /** @param missing parts that could not be read, or had to be cut: the contract's entries */
    ReportSize(Map report, List missing) {
        OwnBuild.require()
        this.report = report
        this.missing = missing
    }

    /** Return the report as JSON; larger than MAX_JSON only if the author's own data are. */
    @NonCPS
    String json() {
        String json = text()
        for (most in FEWER) {
            for (cut in CUTS) {
                if (json.length() <= MAX_JSON) {
                    return json
                }
                String part = apply(cut, most)
                if (part) {
                    Map cutPart = [part: part, reason: 'cut, since the report would be larger than 900 KiB']
                    if (!(cutPart in missing)) {
                        missing << cutPart
                    }
                    json = text()
                }
            }
        }
        return json
    }

    @NonCPS
    private String text() {
        return JsonOutput.toJson(missing ? report + [missing: missing.take(100)] : report)
    }

    /** Cut, and return the name of the part; empty: there was nothing to cut. */
    @NonCPS
    private String apply(String cut, int most) {
        Map step = report.error?.step
        switch (cut) {
            case 'log':
                return report.remove('log') ? 'log' : ''
            case 'step log':
                return shorten(step, SHORT_LOG)
            case 'no step log':
                return shorten(step, 0)
            case 'stack traces':
                return removeStackTraces() ? 'tests' : ''
            case 'tests':
                return keepFewer(report.tests, 'failures', most) ? 'tests' : ''
            case 'files':
                return removeFiles() ? 'changes' : ''
            case 'changes':
                return keepFewer(report.changes, 'items', most) ? 'changes' : ''
            case 'artifacts':
                return keepFewer(report.artifacts, 'items', most) ? 'artifacts' : ''
            case ['stages', 'warnings']:
                return keepFewer(report, cut, most) ? cut : ''
            default:
                return keepFewer(report.build, cut, most) ? cut : ''
        }
    }

    @NonCPS
    private String shorten(Map step, int length) {
        if (!step?.log) {
            return ''
        }
        String log = step.log
        step.log = log.length() > length ? log.substring(log.length() - length) : log
        step.log_is_cut = true
        return 'error'
    }

    @NonCPS
    private boolean removeStackTraces() {
        boolean removed = false
        for (test in report.tests?.failures) {
            removed = test.remove('stack_trace') || removed
        }
        return removed
    }

    @NonCPS
    private boolean removeFiles() {
        boolean removed = false
        for (change in report.changes?.items) {
            removed = change.remove('files') || change.paths || removed
            change.paths = []
        }
        return removed
    }

    @NonCPS
    private boolean keepFewer(Map part, String member, int most) {
        Object items = part == null ? null : part.get(member)
        if (!(items instanceof List) || items.size() <= most) {
            return false
        }
        part.put(member, items.take(most))
        return true
    }

}
