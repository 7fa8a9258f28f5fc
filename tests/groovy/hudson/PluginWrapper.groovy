package hudson

/** Stands in for Jenkins': a plugin that is installed. */
class PluginWrapper {

    final String shortName
    final String version = '1000.v0'

    PluginWrapper(String shortName) {
        this.shortName = shortName
    }

    boolean isActive() {
        return true
    }

}
