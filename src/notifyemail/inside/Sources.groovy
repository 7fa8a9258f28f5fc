package notifyemail.inside

import jenkins.model.Jenkins
import notifyemail.BuildError
import notifyemail.JsonValues
import org.jenkinsci.plugins.workflow.libs.GlobalLibraries
import org.jenkinsci.plugins.workflow.libs.LibrariesAction

/** Which sources the build has, and what it has made of them. Plugins may be missing: their classes are known by their names. */
final class Sources {

    static final int MAX_CHECKOUTS = 20
    static final int MAX_ARTIFACTS = 200
    /** So many artifacts are counted. */
    static final int MAX_COUNTED = 1000

    Sources() {
        OwnBuild.require()
    }

    /** Return the contract's `checkouts`, without those of Pipeline libraries. */
    @NonCPS
    List<Map> checkouts() {
        Set<String> libraries = libraryUrls()
        List<String> unknown = unknownVersions()
        List<Map> checkouts = []
        for (action in OwnBuild.run().actions) {
            if (JsonValues.className(action) != 'hudson.plugins.git.util.BuildData' || checkouts.size() >= MAX_CHECKOUTS) {
                continue
            }
            // A remote's branch of the job itself begins with refs/remotes.
            if (firstUrl(action) in libraries || !libraries && unknown.remove(branchName(action.lastBuiltRevision))) {
                continue
            }
            Map checkout = checkout(action)
            if (!(checkout in checkouts)) {
                checkouts << checkout
            }
        }
        return checkouts
    }

    @NonCPS
    private String firstUrl(Object data) {
        for (url in data.remoteUrls) {
            return JsonValues.name(url)
        }
        return ''
    }

    @NonCPS
    private Map checkout(Object data) {
        Map checkout = [url: PlainText.withoutPasswords(firstUrl(data))]
        Object revision = data.lastBuiltRevision
        if (revision != null) {
            checkout.revision = JsonValues.name(revision.sha1String)
            String branch = branchName(revision)
            if (branch) {
                checkout.branch = branch - 'refs/remotes/origin/'
            }
        }
        return checkout
    }

    /** Return the name of a revision's branch, as the git plugin has it; empty: there is none. */
    @NonCPS
    private String branchName(Object revision) {
        for (branch in revision?.branches) {
            // A branch may be null.
            String name = JsonValues.name(branch?.name)
            if (name) {
                return name
            }
        }
        return ''
    }

    /** Return the addresses of the global libraries that the build has loaded. */
    @NonCPS
    private Set<String> libraryUrls() {
        Set<String> urls = [] as Set
        try {
            List<String> names = []
            for (library in OwnBuild.run().getAction(LibrariesAction)?.libraries) {
                names << library.name
            }
            for (library in GlobalLibraries.get().libraries) {
                if (library.name in names) {
                    urls << JsonValues.name(library.retriever.scm.remote)
                }
            }
        } catch (Throwable e) {
            BuildError.throwInterruption(e)
        }
        return urls
    }

    /** Return the versions of the build's libraries: a library that is not a global one is known by its branch. */
    @NonCPS
    private List<String> unknownVersions() {
        List<String> versions = []
        for (library in OwnBuild.run().getAction(LibrariesAction)?.libraries) {
            versions << JsonValues.name(library.version)
        }
        return versions
    }

    /** Return the contract's `branch`; null: the job is no branch. */
    @NonCPS
    Map branch() {
        ClassLoader plugins = Jenkins.get().pluginManager.uberClassLoader
        Object head = null
        try {
            head = plugins.loadClass('jenkins.scm.api.SCMHead$HeadByItem').findHead(OwnBuild.run().parent)
        } catch (ClassNotFoundException ignored) {
            // The plugin is missing, so no job is a branch.
        }
        if (head == null) {
            return null
        }
        Map branch = [name: JsonValues.name(head.name)]
        if (plugins.loadClass('jenkins.scm.api.mixin.ChangeRequestSCMHead').isInstance(head)) {
            branch.change_request = [
                id       : JsonValues.name(head.id), target: JsonValues.name(head.target?.name),
                from_fork: JsonValues.className(head.origin) != 'jenkins.scm.api.SCMHeadOrigin$Default',
            ]
        }
        return branch
    }

    /** Return the contract's `artifacts`; null: there are none. */
    @NonCPS
    Map artifacts() {
        int total = 0
        List items = []
        for (artifact in OwnBuild.run().getArtifactsUpTo(MAX_COUNTED)) {
            total++
            if (items.size() < MAX_ARTIFACTS) {
                items << [path: JsonValues.name(artifact.relativePath), size_bytes: artifact.fileSize]
            }
        }
        return total ? [total: total, items: items] : null
    }

}
