package notifyemail.inside

import notifyemail.BuildError
import notifyemail.BuildReport
import notifyemail.JsonValues

/** The build's changes, with what the sandbox hides: addresses, and how each file was changed. */
final class Commits {

    static final int MAX_CHANGES = 200
    static final int MAX_FILES = 50
    private static final List<String> EDITS = Collections.unmodifiableList(['add', 'edit', 'delete'])
    private static final List<String> MEMBERS = Collections.unmodifiableList([
        'id', 'message', 'author', 'author_id', 'at', 'paths', 'files', 'author_email', 'author_may_read'])

    private final People people
    private final List missing

    /**
     * @param people who looks up the authors
     * @param missing the report's; it is added to
     */
    Commits(People people, List missing) {
        OwnBuild.require()
        this.people = people
        this.missing = missing
    }

    /** Return the contract's `changes`. */
    @NonCPS
    Map read() {
        List found = BuildReport.changeObjects(null)
        List items = []
        for (change in found) {
            // BuildReport's own, in place of what Jenkins can't read.
            if (change instanceof Map) {
                missing << [part: 'changes', reason: JsonValues.text(change.msg, JsonValues.MAX_NAME)]
            }
            if (items.size() >= MAX_CHANGES) {
                break
            }
            items << item(change)
        }
        return [total: found.size(), items: items]
    }

    /** Return the contract's change. A value that can't be read is missing, or a question mark. */
    @NonCPS
    private Map item(Object change) {
        Map item = [id: JsonValues.UNREADABLE, message: JsonValues.UNREADABLE, author: JsonValues.UNREADABLE, paths: []]
        for (member in MEMBERS) {
            try {
                add(item, member, change)
            } catch (Throwable e) {
                BuildError.throwInterruption(e)
            }
        }
        return item
    }

    @NonCPS
    private void add(Map item, String member, Object change) {
        switch (member) {
            case 'id':
                item.id = JsonValues.name(change.commitId) ?: JsonValues.UNREADABLE
                break
            case 'message':
                item.message = JsonValues.text(change.msg ?: '', JsonValues.MAX_NAME)
                break
            case 'author':
                item.author = JsonValues.name(change.author?.fullName)
                break
            case 'author_id':
                putText(item, member, change.author?.id)
                break
            case 'at':
                long at = change.timestamp
                if (at > 0 && at <= BuildReport.MAX_TIME) {
                    item.at = at
                }
                break
            case 'paths':
                addPaths(item, change)
                break
            case 'files':
                addFiles(item, change)
                break
            case 'author_email':
                // Of Git only.
                putText(item, member, change.authorEmail)
                break
            default:
                addUser(item, people.person(change.author))
        }
    }

    @NonCPS
    private void putText(Map item, String member, Object value) {
        String text = JsonValues.name(value)
        if (text) {
            item.put(member, text)
        }
    }

    /** Add who the author is in Jenkins. A commit may have a user's name and anybody's address: so the user's own counts. */
    @NonCPS
    private void addUser(Map item, Map person) {
        if (person?.may_read) {
            item.author_may_read = true
            item.remove('author_email')
        }
        if (!item.author_email) {
            putText(item, 'author_email', person?.email)
        }
    }

    @NonCPS
    private void addPaths(Map item, Object change) {
        for (path in change.affectedPaths) {
            if (item.paths.size() >= MAX_FILES) {
                break
            }
            item.paths << (JsonValues.name(path) ?: JsonValues.UNREADABLE)
        }
    }

    /** Add how each file was changed, which some version control systems don't know. */
    @NonCPS
    private void addFiles(Map item, Object change) {
        List files = []
        for (file in change.affectedFiles) {
            if (files.size() >= MAX_FILES) {
                break
            }
            String edit = JsonValues.name(file.editType?.name)
            files << [path: JsonValues.name(file.path) ?: JsonValues.UNREADABLE, edit: edit in EDITS ? edit : 'edit']
        }
        if (files) {
            item.files = files
        }
    }

}
