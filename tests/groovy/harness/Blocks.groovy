package harness

/** Runs block steps. The class is compiled by Controller with the CPS transformer, since a block runs a closure. */
interface Blocks extends Serializable {

    Object around(Object begin, Object end, Object body)

}
