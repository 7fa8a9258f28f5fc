"""What may stand before a Jenkins: a reverse proxy, with TLS, or one that leads elsewhere."""

import ssl
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_OWN = ("host", "content-length", "transfer-encoding", "connection", "date", "server")


class Front:
    """Serves a Jenkins under /ci at an address of its own, while it is entered."""

    def __init__(
        self,
        behind: str,
        *,
        certificate: Path | None = None,
        redirect: str | None = None,
        away: int = 0,
        cut: int = 0,
        noise: bytes = b"",
    ) -> None:
        """Listen.

        Args:
            behind: the URL of Jenkins.
            certificate: speak TLS, with this PEM file of a key and a certificate.
            redirect: lead every request there.
            away: how many scripts are answered by 503.
            cut: how many answers to scripts end in the middle.
            noise: what is printed before a script's own answer.
        """
        front = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                front.answer(self)

            do_POST = do_GET  # noqa: N815 - http.server's own name

            def log_message(self, *_: object) -> None:
                pass

        self.behind, self.redirect, self.away, self.cut = behind, redirect, away, cut
        self.noise = noise
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}/ci"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> "Front":
        """Serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """No more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, asked: BaseHTTPRequestHandler) -> None:
        """Pass a request on."""
        body = asked.rfile.read(int(asked.headers.get("Content-Length") or 0)) or None
        is_script = asked.path.endswith("/scriptText")
        if self.redirect is not None:
            self._send(asked, 302, {"Location": self.redirect + asked.path}, b"")
        elif not asked.path.startswith("/ci/"):
            self._send(asked, 404, {}, b"not here")
        elif is_script and self.away:
            self.away -= 1
            self._send(asked, 503, {}, b"no backend")
        else:
            headers = {k: v for k, v in asked.headers.items() if k.lower() not in _OWN}
            request = urllib.request.Request(
                self.behind + asked.path.removeprefix("/ci"), body, headers, method=asked.command
            )
            try:
                answer = _OPENER.open(request)
            except urllib.error.HTTPError as error:
                answer = error
            text = (self.noise if is_script else b"") + answer.read()
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in _OWN}
            if is_script and self.cut:
                self.cut -= 1
                kept["Content-Length"] = str(len(text) + 1)
            self._send(asked, answer.status, kept, text)

    @staticmethod
    def _send(
        asked: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes
    ) -> None:
        asked.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            asked.send_header(name, value)
        asked.end_headers()
        asked.wfile.write(body)
