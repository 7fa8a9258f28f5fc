package jenkins.plugins.http_request

/** Stands in for what the httpRequest step gives. */
class ResponseContentSupplier implements Serializable {

    private static final long serialVersionUID = 1L

    final int status
    final String content

    ResponseContentSupplier(int status, String content) {
        this.status = status
        this.content = content
    }

}
