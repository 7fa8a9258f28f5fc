package harness

import net.sf.json.JSONArray

/** `currentBuild`, answering what a real controller was recorded to answer. Survives a restart, as RunWrapper does. */
class RecordedBuild implements Serializable {

    private static final long serialVersionUID = 1L

    Object propertyMissing(String name) {
        return Controller.current.build.of(name)
    }

    void propertyMissing(String name, Object value) {
        Controller.current.build.set(name, value)
    }

    String getCurrentResult() {
        return Controller.current.build.of('currentResult')
    }

    String getResult() {
        return Controller.current.build.of('result')
    }

    void setResult(String result) {
        Controller.current.build.set('result', result)
    }

    String getAbsoluteUrl() {
        return Controller.current.build.absoluteUrl()
    }

    JSONArray getBuildCauses() {
        return Controller.current.build.of('buildCauses')
    }

    List getChangeSets() {
        return Controller.current.build.changeSets()
    }

    Object getRawBuild() {
        throw new AssertionError('rawBuild was read')
    }

}
