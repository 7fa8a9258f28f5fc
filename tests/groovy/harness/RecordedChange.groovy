package harness

/** A change set, a change or its author. Not Serializable, as on a real controller. A member that is an exception is thrown. */
class RecordedChange {

    private final Map members

    RecordedChange(Map members) {
        this.members = members
    }

    Object propertyMissing(String name) {
        if (!members.containsKey(name)) {
            throw new MissingPropertyException(name, RecordedChange)
        }
        return Recording.read(members[name])
    }

    Object getItems() {
        Object items = Recording.read(members.items)
        return items instanceof List ? items as Object[] : items
    }

    Object getAuthor() {
        return Recording.read(members.author)
    }

}
