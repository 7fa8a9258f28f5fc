"""What is wrong with a template: the file, the line, and the name that may be meant."""

import difflib
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, cast

from jinja2 import Environment, StrictUndefined, TemplateNotFound, TemplateSyntaxError, nodes
from jinja2.exceptions import UndefinedError
from jinja2.utils import missing

from pyservice.errors import RenderError, TemplateFault, os_reason
from pyservice.text import shorten

MAX_SOURCE = 300
"""Characters of a line that a fault shows."""

_NO_SUCH = re.compile(r"No (filter|test) named '([^']+)'|unknown (tag) '([^']+)'")
_CLASS = re.compile(r"'(?:\w+\.)+(\w+ object)'")
"""A class of Python with its modules, which say nothing to a template's author."""
_TAGS = (
    *("for", "if", "elif", "else", "endfor", "endif", "set", "block", "endblock", "extends"),
    *("include", "import", "from", "macro", "endmacro", "call", "filter", "with", "raw"),
)


class UnknownNameError(UndefinedError):
    """A template uses a name that doesn't exist."""

    def __init__(self, owner: object, name: object, message: str | None = None) -> None:
        super().__init__(message)
        self.owner, self.name = owner, name


class Unknown(StrictUndefined):
    """A name that doesn't exist: to use it is an error that knows the name and its owner."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: type[Exception] = UndefinedError,
    ) -> None:
        if exc is UndefinedError:
            exc = cast(type[Exception], partial(UnknownNameError, obj, name))
        super().__init__(hint, obj, name, cast(Any, exc))


def explain(
    part: str,
    error: Exception,
    environment: Environment | None = None,
    variables: Iterable[str] = (),
) -> RenderError:
    """Return an error that says which template failed, in which line, and why.

    Args:
        part: the part that was rendered, such as `release/body.html`.
        error: what was raised.
        environment: has the templates; None: they couldn't be read.
        variables: the names that the template was given.
    """
    file, line = _place(part, error, environment)
    match error:
        case TemplateNotFound():
            reason = f"there is no template {error}"
        case MemoryError():
            reason = "it needs too much memory: is there a loop that makes a long text?"
        case UnicodeDecodeError():
            line = error.object[: error.start].count(b"\n") + 1
            reason = "it is not in UTF-8: save it as that"
        case OSError():
            reason = f"it can't be read: {os_reason(error)}"
        case _:
            reason = _CLASS.sub(r"'\1'", str(error)).rstrip(".")
    source = suggestion = ""
    if environment is not None:
        with suppress(Exception):  # a help, and no more
            source = _source(environment, file, line)
            suggestion = _suggestion(error, environment, file, variables)
    return RenderError.of((TemplateFault(file, reason, line, source, suggestion),))


def _place(part: str, error: Exception, environment: Environment | None) -> tuple[str, int | None]:
    """Return the file and line at which a template failed: of an included one its own."""
    if isinstance(error, TemplateSyntaxError):
        return error.name or part, error.lineno
    file, line = part, getattr(error, "lineno", None)
    loaded = environment.cache.values() if environment and environment.cache else ()
    names = {template.filename: template.name for template in loaded}
    traceback = error.__traceback__
    while traceback is not None:
        at = traceback.tb_frame.f_code.co_filename
        name = names.get(at) or (part if at.endswith(part) else None)
        if name:
            file, line = name, traceback.tb_lineno
        traceback = traceback.tb_next
    return file, line


def _source(environment: Environment, file: str, line: int | None) -> str:
    if line is None or environment.loader is None:
        return ""
    lines = environment.loader.get_source(environment, file)[0].splitlines()
    return shorten(lines[line - 1].strip(), MAX_SOURCE)


def _suggestion(
    error: Exception, environment: Environment, file: str, variables: Iterable[str]
) -> str:
    """Return the name that may be meant; empty: none is like it."""
    wanted: str = ""
    known: Iterable[str] = ()
    if isinstance(error, UnknownNameError) and isinstance(error.name, str):
        wanted = error.name
        if error.owner is missing:
            known = {*variables, *environment.globals, *_assigned(environment, file)}
        else:
            known = _members(error.owner)
    elif isinstance(error, TemplateNotFound):
        wanted, known = str(error), environment.list_templates()
    elif found := _NO_SUCH.search(str(error)):
        kind, wanted = found[1] or found[3], found[2] or found[4]
        known = {"filter": environment.filters, "test": environment.tests, "tag": _TAGS}[kind]
    return next(iter(difflib.get_close_matches(wanted, sorted(known), 1)), "")


def _assigned(environment: Environment, file: str) -> set[str]:
    """Return the names that a template gives to its own variables and macros."""
    if environment.loader is None:
        return set()
    tree = environment.parse(environment.loader.get_source(environment, file)[0])
    names = {name.name for name in tree.find_all(nodes.Name) if name.ctx in {"store", "param"}}
    return names | {macro.name for macro in tree.find_all(nodes.Macro)}


def _members(owner: object) -> list[str]:
    """Return the names of a value's members: of an object without its methods."""
    if isinstance(owner, Mapping):
        return [key for key in owner if isinstance(key, str)]
    return [
        name
        for name in dir(owner)
        if not name.startswith(("_", "model_")) and not callable(getattr(type(owner), name, None))
    ]
