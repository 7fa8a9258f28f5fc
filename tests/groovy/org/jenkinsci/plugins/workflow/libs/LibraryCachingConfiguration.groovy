package org.jenkinsci.plugins.workflow.libs

/** Stands in for the pipeline-groovy-lib plugin's: how long a library's checkout is used. */
class LibraryCachingConfiguration {

    final int refreshTimeMinutes
    final String excludedVersionsStr

    LibraryCachingConfiguration(int refreshTimeMinutes, String excludedVersionsStr) {
        this.refreshTimeMinutes = refreshTimeMinutes
        this.excludedVersionsStr = excludedVersionsStr
    }

}
