package hudson.model.labels

/** Stands in for Jenkins': a label of an agent. */
class LabelAtom {

    final String name

    LabelAtom(String name) {
        this.name = name
    }

}
