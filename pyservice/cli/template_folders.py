"""What the commands `template …` work on: folders of templates, and previews without a service."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from pyservice.config.settings import Settings
from pyservice.errors import ConfigurationError, os_reason

if TYPE_CHECKING:
    from pyservice.preview.previews import Previews

_STARTER = files(__package__) / "starter"
_NAME_SIGN = "@NAME@"
NAME_RULE = (
    "a template's name has lower-case letters, digits, `-` and `_` only, begins with a letter or "
    "digit, and is not `built-in`."
)


@dataclass(frozen=True)
class Target:
    """Templates of one folder."""

    folder: Path | None
    """Has a folder for each template; None: only the built-in ones."""
    names: tuple[str, ...]


def find_targets(words: Sequence[str], settings: Settings) -> list[Target]:
    """Return the templates that a command line names.

    Args:
        words: a folder of templates, the folder of one, or names in TEMPLATES_DIR; none: all of
            TEMPLATES_DIR, or the built-in ones.
        settings: have TEMPLATES_DIR.

    Raises:
        ConfigurationError: there is no such folder or template.
    """
    from pyservice.mail.renderer import BUILT_IN, DIGEST

    own = settings.templates_dir
    if not words:
        names = template_names(own) if own else [BUILT_IN, DIGEST]
        if not names:
            raise ConfigurationError(f"{own} has no template. Type: notify-email template new NAME")
        return [Target(own, tuple(names))]
    targets = []
    for word in words:
        path = Path(word)
        if (path / "body.html").is_file():
            path = path.resolve()
            targets.append(Target(path.parent, (path.name,)))
        elif path.is_dir() and (names := template_names(path)):
            targets.append(Target(path.resolve(), tuple(names)))
        elif word in {BUILT_IN, DIGEST} or (own and word in template_names(own)):
            targets.append(Target(own, (word,)))
        else:
            known = ", ".join([*(template_names(own) if own else ()), BUILT_IN, DIGEST])
            raise ConfigurationError(
                f"{word} is neither a folder with a template, nor the name of one: {known}. "
                f"Type: notify-email template new NAME"
            )
    return targets


def template_names(folder: Path) -> list[str]:
    """Return the names of the templates in a folder, sorted; `digest` is among them.

    Raises:
        ConfigurationError: a folder with a template has a name that no report can have.
    """
    from pyservice.mail.own_templates import OwnTemplates
    from pyservice.mail.renderer import DIGEST

    own = OwnTemplates(folder, timeout=5)
    names = sorted(own.names()) + ([DIGEST] if own.has(DIGEST) else [])
    try:
        found = [path.name for path in folder.iterdir() if (path / "body.html").is_file()]
    except OSError as error:
        raise ConfigurationError(f"{folder} can't be read: {os_reason(error)}.") from None
    for name in sorted(found):
        if name not in names:
            raise ConfigurationError(
                f"{folder / name} can't be used: {NAME_RULE} Rename the folder."
            )
    return names


def write_new(folder: Path, name: str) -> list[Path]:
    """Write the starting files of a template, and return them.

    Raises:
        ConfigurationError: the name can't be used, or there is such a folder already.
    """
    from pyservice.mail.own_templates import is_name
    from pyservice.mail.renderer import BUILT_IN, DIGEST

    if name == DIGEST:
        raise ConfigurationError(
            "`digest` is the template of digests, which has other variables: see docs/digests.md. "
            "Choose another name."
        )
    if not is_name(name):
        raise ConfigurationError(f"{name!r} can't be used: {NAME_RULE}")
    target = folder / name
    if target.exists():
        raise ConfigurationError(f"{target} is there already, and stays as it is.")
    try:
        target.mkdir(parents=True)
        with as_file(_STARTER) as starter:
            for file in sorted(starter.iterdir()):
                shutil.copyfile(file, target / file.name)
        body = target / "body.html"
        shown = body.read_text(encoding="utf-8").replace(_NAME_SIGN, name)
        if name == BUILT_IN:
            shown = shown.replace(f"notifyEmail(template: '{name}', data:", "notifyEmail(data:")
        body.write_text(shown, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{target} can't be written: {os_reason(error)}.") from None
    return sorted(target.iterdir())


@contextmanager
def open_previews(settings: Settings, folder: Path | None) -> "Iterator[Previews]":
    """Yield previews with the templates of a folder, without a service and its outbox."""
    from pyservice.config.live import LiveSettings
    from pyservice.preview.previews import Previews
    from pyservice.report.secrets import SecretMasker

    live = LiveSettings(settings.model_copy(update={"templates_dir": folder}))
    previews = Previews(live, None, SecretMasker(settings.secret_patterns))
    try:
        yield previews
    finally:
        previews.close()
