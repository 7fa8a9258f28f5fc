"""How commands share options: a dataclass declares them, and a command takes an object of it.

    @dataclass(frozen=True)
    class ServerOptions:
        host: Annotated[str | None, typer.Option(help="The mail server.")] = None

    @app.command()
    @expand_options
    def check(server: ServerOptions, verbose: bool = False) -> None: ...

gives `check` the options `--host` and `--verbose`. A dataclass that inherits from another one has
its options, too.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

Command = Callable[..., None]


def expand_options(command: Command) -> Command:
    """Replace each parameter that is a dataclass by the dataclass' fields, for Typer to read."""
    own = inspect.signature(command).parameters.values()
    groups: dict[str, Any] = {p.name: p.annotation for p in own if is_dataclass(p.annotation)}

    @functools.wraps(command)
    def run(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        command(**values)

    parameters: list[inspect.Parameter] = []
    for parameter in own:
        if parameter.name in groups:
            parameters += inspect.signature(groups[parameter.name]).parameters.values()
        else:
            parameters.append(parameter)
    # By keyword only: then one without a default may stand behind those that have one.
    by_keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    run.__signature__ = inspect.Signature(by_keyword)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in by_keyword}
    return run
