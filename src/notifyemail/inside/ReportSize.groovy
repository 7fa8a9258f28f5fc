package notifyemail.inside

import groovy.json.JsonOutput

/** Makes a report small enough: it is cut in the order log, tests, changes. */
final class ReportSize {

    /** Bytes of JSON. The service reads 1 MiB. */
    static final int MAX_JSON = 921600
    private static final List<String> CUTS = Collections.unmodifiableList([
        'log', 'step log', 'no step log', 'stack traces', 'tests', 'files', 'changes', 'stages'])
    private static final int FEWER = 20
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
        for (cut in CUTS) {
            if (json.length() <= MAX_JSON) {
                break
            }
            String part = apply(cut)
            if (part) {
                missing << [part: part, reason: 'cut, since the report would be larger than 900 KiB']
                json = text()
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
    private String apply(String cut) {
        Map step = report.error?.step
        switch (cut) {
            case 'log':
                return report.remove('log') ? 'log' : ''
            case 'step log':
                return shorten(step, SHORT_LOG)
            case 'no step log':
                return shorten(step, 0)
            case 'stack traces':
                for (test in report.tests?.failures) {
                    test.remove('stack_trace')
                }
                return report.tests?.failures ? 'tests' : ''
            case 'tests':
                return keepFewer(report.tests, 'failures') ? 'tests' : ''
            case 'files':
                for (change in report.changes.items) {
                    change.remove('files')
                    change.paths = []
                }
                return report.changes.items ? 'changes' : ''
            case 'changes':
                return keepFewer(report.changes, 'items') ? 'changes' : ''
            default:
                report.stages = report.stages ? report.stages.take(FEWER) : []
                return 'stages'
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
    private boolean keepFewer(Map part, String member) {
        List items = part == null ? null : part.get(member)
        if (!items || items.size() <= FEWER) {
            return false
        }
        part.put(member, items.take(FEWER))
        return true
    }

}
