"""The process in which an administrator's templates are rendered.

A template may need more time or memory than there is, or end the process by a fault in a library.
The kernel ends this process then, and the service goes on. Its answers are JSON.
"""

import json
import math
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, FileSystemLoader, PackageLoader, PrefixLoader
from jinja2.meta import find_referenced_templates

from pyservice.errors import RenderError
from pyservice.mail.child import connection_to_parent
from pyservice.mail.faults import explain
from pyservice.mail.rendering import BUILT_IN, DIGEST, PARTS, SHIPPED, new_environment, render_body
from pyservice.mail.sandbox import Sandbox

MEMORY = 256 * 1024 * 1024
"""Bytes of address space; the process alone has 50 MB."""


class _TimeIsUpError(Exception):
    """A template takes too long."""


def _serve(connection: Connection) -> None:
    """Answer requests until the first process ends.

    A request is (folder, seconds of CPU, template, what is shown); without a folder there are the
    built-in templates only. If nothing is shown, the answer has what is wrong with the template.
    """
    _limit(resource.RLIMIT_AS, MEMORY)
    _limit(resource.RLIMIT_CORE, 0)
    environments: dict[Path | None, Sandbox] = {}
    while True:
        try:
            folder, seconds, template, shown = connection.recv()
        except (EOFError, OSError):
            return
        if folder not in environments:
            own = [FileSystemLoader(folder)] if folder else []
            shipped = PackageLoader("pyservice.mail")
            as_it_is = PrefixLoader({SHIPPED: PackageLoader("pyservice.mail", "templates/build")})
            loader = ChoiceLoader([as_it_is, *own, shipped])
            environments = {folder: new_environment(Sandbox, loader)}
        environment = environments[folder]
        answer: dict[str, Any]
        try:
            with _limited(seconds):
                if folder:
                    _check_files(folder, template)
                    if shown is None:
                        _check_syntax(environment, folder, template)
                body = None if shown is None else render_body(environment, template, shown)
            answer = asdict(body) if body else {}
        except RenderError as error:
            is_too_much = isinstance(error.__cause__, _TimeIsUpError | MemoryError)
            faults = [asdict(fault) for fault in error.faults]
            answer = {"error": str(error), "faults": faults, "is_too_much": is_too_much}
        connection.send_bytes(json.dumps(answer).encode())


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Limit the CPU time: first by an exception, which knows the line; then the kernel kills.

    The exception has to wait for the end of what runs in C, such as a power of large numbers.
    """

    def stop(*_: object) -> None:
        raise _TimeIsUpError(f"it takes more than {seconds:.0f} s: is there a loop in a loop?")

    signal.signal(signal.SIGPROF, stop)
    used = sum(os.times()[:2])
    _limit(resource.RLIMIT_CPU, math.ceil(used + 2 * seconds) + 1)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _check_files(folder: Path, template: str) -> None:
    """Check that a template is there and can be read: a loader takes an unreadable one for none."""
    for part in PARTS:
        path = f"{template}/{part}"
        try:
            (folder / path).read_text(encoding="utf-8")
        except FileNotFoundError as error:
            if part == "body.html" and template not in {BUILT_IN, DIGEST}:
                raise explain(path, error) from error
        except Exception as error:
            raise explain(path, error) from error


def _check_syntax(environment: Sandbox, folder: Path, template: str) -> None:
    """Check that the parts of a template, and what these include, can be compiled."""
    for part in PARTS:
        path = f"{template}/{part}"
        if not (folder / path).exists():
            continue
        try:
            environment.get_template(path)
            source = (folder / path).read_text(encoding="utf-8")
            for name in find_referenced_templates(environment.parse(source)):
                if name is not None:
                    environment.get_template(name)
        except Exception as error:
            raise explain(path, error, environment) from error


if __name__ == "__main__":
    _serve(connection_to_parent())
