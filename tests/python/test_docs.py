"""The docs describe all settings, commands and modules, and no others."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from pyservice import samples
from pyservice.auth.permissions import Permissions
from pyservice.auth.tokens import read
from pyservice.cli import app
from pyservice.config.settings import Settings
from pyservice.mail.renderer import HTML_BUDGET, Renderer
from pyservice.web.limits import HttpLimits
from pyservice.web.pages import gallery
from pyservice.web.routes import health, preview, reports

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting(name: str) -> None:
    """docs/settings.md describes it."""
    assert f"| `{name.upper()}` |" in (ROOT / "docs" / "settings.md").read_text()


def test_no_other_setting() -> None:
    """docs/settings.md describes no other."""
    described = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "settings.md").read_text(), re.M)
    assert sorted(described) == sorted(name.upper() for name in Settings.model_fields)


def test_the_example_files_are_right(tmp_path: Path) -> None:
    """The settings file and the tokens file in docs/settings.md can be used as they stand."""
    settings, tokens = re.findall(
        r"```toml\n(.*?)```", (ROOT / "docs" / "settings.md").read_text(), re.S
    )
    tokens_file = tmp_path / "tokens"
    tokens_file.write_text(tokens)
    file = tmp_path / "settings.toml"
    file.write_text(settings.replace("/etc/notify-email.tokens", str(tokens_file)))
    assert Settings.load(file).default_to == "team@example.com"


def test_the_tokens_with_bounds_are_right(tmp_path: Path) -> None:
    """The tokens file in docs/tokens.md can be used as it stands, and shows every permission."""
    page = (ROOT / "docs" / "tokens.md").read_text()
    [example] = re.findall(r"```toml\n(.*?)```", page, re.S)
    file = tmp_path / "tokens"
    file.write_text(example)
    known = read(file)
    assert known["team-a"].permissions_by_name().keys() == Permissions.model_fields.keys()
    assert known["ci"].permissions_by_name() == {}
    for name in Permissions.model_fields:
        assert f"| `{name}` |" in page


def test_the_limits_of_a_request() -> None:
    """docs/limits.md has the limits in force, and docs/https.md how soon files are read."""
    limits = HttpLimits()
    rows = [
        f"| a request's header | {limits.header_time:g} s for all of it |",
        f"| size of a header | {limits.max_header // 1024} KiB |",
        f"| a report | {limits.body_time:g} s for all of it |",
        f"| size of a report without attachments | {limits.max_body // 1024**2} MiB |",
        f"| size of its attachments, in base64 | {limits.max_attachments // 1024**2} MiB |",
        f"| size of a form that a page sends | {limits.max_form // 1024} KiB |",
        f" at the same time | {limits.max_bodies // 1024**2} MiB |",
        f"| an answer that the caller doesn't read | {limits.read_time:g} s",
        f"| a connection without a request | {limits.keep_alive} s after",
        f"| connections at once | {limits.max_connections} |",
        f"| pages at once that hear of changes | {limits.max_streams} |",
    ]
    page = (ROOT / "docs" / "limits.md").read_text()
    for row in rows:
        assert row in page
    assert f"until it is under {HTML_BUDGET // 1000} KB" in page
    https = (ROOT / "docs" / "https.md").read_text()
    assert f"Every {limits.certificate_check} s the service checks" in https


def test_every_argument() -> None:
    """vars/notifyEmail.txt describes each argument of the step, and no other."""
    options = (ROOT / "src" / "notifyemail" / "Options.groovy").read_text()
    known = re.findall(r"^        (\w+) *: '", options, re.M)
    assert len(known) == 19
    manual = (ROOT / "vars" / "notifyEmail.txt").read_text()
    arguments = manual.partition("ARGUMENTS")[2].partition("RESULT")[0]
    described = re.findall(r"\w+", " ".join(re.findall(r"^((?:\w+, )*\w+): ", arguments, re.M)))
    assert sorted(described) == sorted(known)


def test_every_route_for_people() -> None:
    """docs/api.md names the routes that people call."""
    page = (ROOT / "docs" / "api.md").read_text()
    routers = (reports.router, health.router, preview.router, gallery.router)
    known = {route.path for router in routers for route in router.routes}  # type: ignore[attr-defined]
    for path in ("/healthz", "/readyz", "/metrics", "/v1/reports/{report_id}", "/preview"):
        assert path in known
        assert f"`GET {path.replace('{report_id}', 'ID')}`" in page


def test_every_log_event() -> None:
    """Each log event that a page for administrators names is logged somewhere."""
    source = "".join(path.read_text() for path in (ROOT / "pyservice").rglob("*.py"))
    subjects = set(re.findall(r"log\w*\.\w+\(\s*\"([a-z_]+)\.", source))
    others = (
        "architecture.md",
        "from-email-ext.md",
        "style.md",
        "templates.md",
        "template-variables.md",
    )  # with names of files and variables
    for page in [page for page in PAGES if page.name not in others]:
        for event in re.findall(r"`([a-z_]+\.[a-z_]+)`", page.read_text()):
            if event.partition(".")[0] in subjects and event != "outbox.db":
                assert f'"{event}"' in source, (page.name, event)


def test_every_module() -> None:
    """docs/architecture.md has each package with its modules, and names none that is gone."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    rows = dict(re.findall(r"^\| `(pyservice/[\w/]*)` \|.*\|(.*)\|$", text, re.M))
    for module in (ROOT / "pyservice").rglob("[!_]*.py"):
        if not {"cli", "migrations"} & set(module.parts):  # a word for each of these folders
            package = f"{module.parent.relative_to(ROOT)}/"
            assert f"`{module.stem}`" in rows[package], module
    for package, row in rows.items():
        for name in re.findall(r"`(\w+)`", row):
            assert (ROOT / package / f"{name}.py").exists(), package + name
    for name in re.findall(r"`(pyservice/[\w/.]+)`", text):
        assert (ROOT / name).exists(), name
    flow = text.partition("## The flow")[2].partition("## Packages")[0]
    for name in re.findall(r"`([\w/]+\.py)`", flow):
        assert (ROOT / "pyservice" / name).exists(), name
    for source in (ROOT / "src" / "notifyemail").rglob("*.groovy"):
        assert source.stem in text, source.stem


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link within the project has its file, and the heading that it names."""
    text = page.read_text()
    shown = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)
    links = re.findall(r"\]\(([^):]+)\)", shown) + re.findall(r'src="([^"]+)"', shown)
    for link in links:
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in _anchors(target.read_text()), link


def _anchors(text: str) -> set[str]:
    """Return the names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_known(page: Path) -> None:
    """The command line knows each command of a page, with its options."""
    for call in re.findall(r"(?<![\w/.-])notify-email ([a-z][^\n`#|&(;]*)", page.read_text()):
        words = call.split()
        node: Any = typer.main.get_command(app)
        if words[0] not in node.commands:
            continue  # a sentence that begins with the project's name
        while words and hasattr(node, "commands"):
            assert words[0] in node.commands, call
            node = node.commands[words.pop(0)]
        known = {option for parameter in node.params for option in parameter.opts}
        known |= {option for parameter in node.params for option in parameter.secondary_opts}
        assert {word.partition("=")[0] for word in words if word[:2] == "--"} <= known, call


def test_every_make_target_is_there() -> None:
    """The Makefile has each target that a page names."""
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for target in re.findall(r"(?:^|`)make ([\w-]+)", page.read_text(), re.M):
            assert re.search(rf"^{target}:", makefile, re.M), target


def test_every_part_of_a_mail_has_its_picture() -> None:
    """docs/report.md shows each picture of a part of a mail, and each of a mail."""
    shown = re.findall(r"images/([\w-]+\.png)", (ROOT / "docs" / "report.md").read_text())
    there = [file.name for file in (ROOT / "docs" / "images").glob("*.png")]
    assert sorted(shown) == sorted(name for name in there if name.startswith(("mail-", "part-")))


def test_what_stands_for_email_exts_tokens(tmp_path: Path) -> None:
    """Templates can show each variable that docs/from-email-ext.md names for a token."""
    rows = re.findall(r"^\| `\$\{.*", (ROOT / "docs" / "from-email-ext.md").read_text(), re.M)
    shown = {name for row in rows for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", row)}
    names = sorted(shown - {"data.x"})
    assert {"build.result", "analysis.excerpt", "words.html"} <= set(names)
    (tmp_path / "team").mkdir()
    body = "".join(f"{{{{ {name} is defined }}}} " for name in names)
    (tmp_path / "team" / "body.html").write_text(body)
    report = samples.load("20-multibranch")
    mail = report.mail.model_copy(update={"template": "team", "body": "text"})
    made = Renderer(tmp_path).render(report.model_copy(update={"mail": mail}))
    assert re.findall("True|False", made.html) == ["True"] * len(names)


def test_settings_have_their_prefix_where_people_read_them() -> None:
    """What a person is told to set begins with NOTIFY_EMAIL_, else it would change nothing."""
    names = "|".join(name.upper() for name in Settings.model_fields if "_" in name)
    bare = re.compile(rf"(?<![A-Z_.}}])({names})(?![A-Z_])")
    assert bare.search("Set DRY_RUN.")
    assert not bare.search("Set NOTIFY_EMAIL_DRY_RUN, {PREFIX}DRY_RUN.")
    found = [
        f"{file.name}: {text}"
        for file in sorted((ROOT / "pyservice").rglob("*.py"))
        for text in _texts(ast.parse(file.read_text()))
        if " " in text.strip() and bare.search(text)
    ]
    assert not found


def _texts(tree: ast.AST) -> Iterator[str]:
    """The texts of a module that can reach a person: all but those that document it."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else ast.unparse(part)
                for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        else:
            yield from _texts(node)
