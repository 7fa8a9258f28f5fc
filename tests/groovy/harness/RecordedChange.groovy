package harness

/** A change set, a change or its author. Not Serializable, as on a real controller. */
class RecordedChange {

    private final Map members

    RecordedChange(Map members) {
        this.members = members
    }

    Object propertyMissing(String name) {
        if (!members.containsKey(name)) {
            throw new MissingPropertyException(name, RecordedChange)
        }
        return members[name]
    }

    Object getItems() {
        return members.items as Object[]
    }

    Object getAuthor() {
        return members.author
    }

}
