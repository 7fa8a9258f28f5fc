"""A Jenkins that answers by REST what a real one was recorded to answer about nine builds.

The answers are those of pyservice/samples and job.json. An answer has what the request's `tree`
names, and no more. So a member that the service forgets to name is missing.
"""

import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pyservice import samples
from tests.builders.patience import HANG

JOB = Path(__file__).with_name("job.json")
_FOLDER = files(samples)
_PAGES = {
    r"/api/json": "build.json",
    r"/testReport/api/json": "test-report.json",
    r"/wfapi/describe": "wfapi-describe.json",
    r"/execution/node/(\d+)/wfapi/describe": r"wfapi-stage-\1.json",
    r"/execution/node/(\d+)/wfapi/log": r"wfapi-log-\1.json",
    r"/consoleText": "console.txt",
}
"""The file of a page below a build's."""
_TREE = re.compile(r"[\[\],]|\{\d+,\d+\}|[^\[\]{},]+")

Answer = tuple[int, dict[str, str], bytes]
"""An HTTP status, headers and a body."""


class RecordedJenkins:
    """Serves at `url` from its making until `close`."""

    def __init__(self) -> None:
        """Listen."""
        jenkins = self
        self.builds = {
            urlsplit(samples.load(name).build.url or "").path.rstrip("/"): _FOLDER / name
            for name in samples.names()
        }
        self.requests: list[str] = []
        """The paths that were requested, without their queries."""
        self.authorizations: set[str | None] = set()
        self.answers: dict[str, Answer] = {}
        """Answers in place of the recorded ones, by the end of a path."""
        self.endless: str | None = None
        """The end of a path at which the body never ends."""
        self.trickle: str | None = None
        """The end of a path at which a byte comes now and then."""
        self.hangs: str | None = None
        """The end of a path that is never answered."""
        self.pause = 0.0
        """Seconds that each answer takes."""
        self.closing = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                jenkins.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, asked: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        parts = urlsplit(asked.path)
        path = unquote(parts.path)
        self.requests.append(path)
        self.authorizations.add(asked.headers["Authorization"])
        time.sleep(self.pause)
        if self.hangs and path.endswith(self.hangs):
            self.closing.wait(HANG)
            asked.close_connection = True
            return
        if self._goes_on(path, asked):
            return
        tree = parse_qs(parts.query).get("tree", [None])[0]
        status, headers, body = self._found(path, tree)
        asked.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            asked.send_header(name, value)
        asked.end_headers()
        asked.wfile.write(body)

    def _goes_on(self, path: str, asked: BaseHTTPRequestHandler) -> bool:
        """Send a body that does not end in time, if this page has one."""
        is_endless = bool(self.endless and path.endswith(self.endless))
        is_trickling = bool(self.trickle and path.endswith(self.trickle))
        if not (is_endless or is_trickling):
            return False
        asked.send_response(200)
        asked.send_header("Content-Length", str(10**12))
        asked.end_headers()
        try:
            while not self.closing.is_set():
                asked.wfile.write(b"x" * 65536 if is_endless else b"x")
                time.sleep(0 if is_endless else 0.05)
        except OSError:
            pass
        asked.close_connection = True
        return True

    def _found(self, path: str, tree: str | None) -> Answer:
        for end, answer in self.answers.items():
            if path.endswith(end):
                return answer
        if path == "/job/shop/job/checkout/api/json":
            return 200, {}, _pruned(JOB.read_bytes(), tree)
        for build, folder in self.builds.items():
            for page, file in _PAGES.items():
                match = re.fullmatch(re.escape(build) + page, path)
                if match and (recorded := folder / match.expand(file)).is_file():
                    content = recorded.read_bytes()
                    return 200, {}, content if file == "console.txt" else _pruned(content, tree)
        return 404, {}, b"<html>not found</html>"


def _pruned(content: bytes, tree: str | None) -> bytes:
    """Return an answer as Jenkins' `tree` prunes it; `_class` always stays."""
    if tree is None:
        return content
    wanted = _parse(iter(_TREE.findall(tree)))
    return json.dumps(_keep(json.loads(content), wanted)).encode()


Tree = dict[str, tuple[Any, slice]]


def _parse(tokens: Iterator[str]) -> Tree:
    """Return the members of a tree, each with those inside of it and its range."""
    wanted: Tree = {}
    name = ""
    for token in tokens:
        if token == "]":
            break
        if token == "[":
            wanted[name] = (_parse(tokens), slice(None))
        elif token.startswith("{"):
            first, last = token.strip("{}").split(",")
            wanted[name] = (wanted[name][0], slice(int(first), int(last)))
        elif token != ",":
            name = token
            wanted[name] = ({}, slice(None))
    return wanted


def _keep(value: Any, wanted: Tree) -> Any:
    if isinstance(value, list):
        return [_keep(item, wanted) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, item in value.items():
        if name == "_class":
            kept[name] = item
        elif name in wanted:
            inner, which = wanted[name]
            kept[name] = _keep(item[which] if isinstance(item, list) else item, inner)
    return kept
