"""hatch_build.py: what the build fetches from a registry of npm packages."""

import base64
import hashlib
import importlib.util
import io
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def load() -> ModuleType:
    """Return the module, which belongs to no package."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["hatch_build"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


hatch_build = load()


def archive(files: dict[str, bytes]) -> bytes:
    """Return a package as npm packs it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as members:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            members.addfile(member, io.BytesIO(content))
    return packed.getvalue()


CONTENT = archive({"dist/x.js": b"x()", "LICENSE": b"Do as you like."})
SHA512 = base64.b64encode(hashlib.sha512(CONTENT).digest()).decode()
PACKAGE = hatch_build.Package(
    "x.org", "1.2.3", SHA512, "0BSD", {"dist/x.js": "static/x.js"}, "static/x.LICENSE"
)


class Registry(BaseHTTPRequestHandler):
    """Answers with what a test has put there."""

    answers: list[tuple[int, bytes]]
    asked: list[str]

    def do_GET(self) -> None:
        """Answer with the next, or the last, answer."""
        self.asked.append(self.path)
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Registry]]:
    """A registry that the environment names."""
    Registry.answers, Registry.asked = [(200, CONTENT)], []
    server = HTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"http://127.0.0.1:{server.server_port}/npm/")
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(hatch_build, "PAUSE", 0.01)
    yield Registry
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_files_and_their_licence(registry: type[Registry], tmp_path: Path) -> None:
    """They are fetched once, and again only if one is missing or another version is pinned."""
    for _ in range(2):
        hatch_build.put(PACKAGE, tmp_path)
    assert registry.asked == ["/npm/x.org/-/x.org-1.2.3.tgz"]
    assert (tmp_path / "static" / "x.js").read_bytes() == b"x()"
    notice = (tmp_path / "static" / "x.LICENSE").read_text()
    assert notice == f"x.org 1.2.3, 0BSD, sha512-{SHA512}\n\nDo as you like."
    (tmp_path / "static" / "x.js").unlink()
    hatch_build.put(PACKAGE, tmp_path)
    assert len(registry.asked) == 2
    (tmp_path / "static" / "x.LICENSE").write_text(notice.replace("1.2.3", "1.2.2"))
    hatch_build.put(PACKAGE, tmp_path)
    assert len(registry.asked) == 3


def test_another_content(registry: type[Registry], tmp_path: Path) -> None:
    """What isn't pinned is not used, and nothing of it is left."""
    registry.answers = [(200, archive({"dist/x.js": b"evil()", "LICENSE": b""}))]
    with pytest.raises(SystemExit, match="another SHA-512"):
        hatch_build.put(PACKAGE, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_registry_that_is_busy(registry: type[Registry], tmp_path: Path) -> None:
    """It is asked again."""
    registry.answers = [(503, b""), (429, b""), (200, CONTENT)]
    hatch_build.put(PACKAGE, tmp_path)
    assert len(registry.asked) == 3


def test_a_registry_without_it(registry: type[Registry], tmp_path: Path) -> None:
    """The error says what is missing, where it was looked for, and what to do."""
    registry.answers = [(404, b"")]
    with pytest.raises(SystemExit, match=r"x\.org 1\.2\.3.*404.*Set NPM_CONFIG_REGISTRY"):
        hatch_build.put(PACKAGE, tmp_path)
    assert len(registry.asked) == 1


def test_no_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a network gets the same error, after some attempts."""
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(hatch_build, "PAUSE", 0.01)
    with pytest.raises(SystemExit, match=r"refused.*install a wheel"):
        hatch_build.put(PACKAGE, tmp_path)
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "file:///etc")
    with pytest.raises(SystemExit, match="neither https nor http"):
        hatch_build.put(PACKAGE, tmp_path)


def test_which_registry(tmp_path: Path) -> None:
    """The environment's, else that of ~/.npmrc; else npm's own, unless the machine has one."""
    home = {"HOME": str(tmp_path)}
    (tmp_path / ".npmrc").write_text('fund=false\nregistry = "https://npm.example.com/all/"\n')
    assert hatch_build.registry(home) == "https://npm.example.com/all"
    for name in ("npm_config_registry", "NPM_CONFIG_REGISTRY"):
        assert hatch_build.registry(home | {name: "https://a.example/"}) == "https://a.example"
    assert hatch_build.registry({"HOME": "/nonexistent"}).startswith("https://")


def test_what_is_installed_is_what_is_pinned() -> None:
    """Each file of each package is there, with the licence that the package names."""
    for package in hatch_build.PACKAGES:
        notice = (ROOT / package.notice).read_text()
        assert notice.startswith(f"{package.heading}\n"), package.name
        assert len(notice) > len(package.heading) + 100
        for target in package.files.values():
            assert (ROOT / target).stat().st_size > 1000, target
