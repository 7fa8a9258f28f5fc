package harness

/** What the httpRequest step answers. */
class Response implements Serializable {

    private static final long serialVersionUID = 1L

    final int status
    final String content

    Response(int status, String content) {
        this.status = status
        this.content = content
    }

}
