package hudson.util

/** Stands in for Jenkins': adding saves the owner, as does nothing that is done to an item. */
class DescribableList extends AbstractList {

    private final Object owner
    private final List items = []

    DescribableList(Object owner) {
        this.owner = owner
    }

    @Override
    Object get(int index) {
        return items[index]
    }

    @Override
    int size() {
        return items.size()
    }

    @Override
    boolean add(Object item) {
        items.add(item)
        owner.save()
        return true
    }

    @Override
    void clear() {
        items.clear()
    }

    @Override
    boolean remove(Object item) {
        boolean removed = items.remove(item)
        owner.save()
        return removed
    }

    List getAll(Class type) {
        return items.findAll { item -> type.isInstance(item) }
    }

}
