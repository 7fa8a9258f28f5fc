package harness

/** A marker: the block steps are a CPS-transformed class made by the Controller, since they run closures. */
interface Blocks extends Serializable {

    Object around(Object begin, Object end, Object body)

}
