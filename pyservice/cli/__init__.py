"""The command `notify-email`: the only package that prints, except the demo.

Exit codes: 0 done or in sync; 1 tried and failed; 2 the command or a setting is wrong, or, with
`--check`, there are changes to apply.
"""

import os
import sys
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from pyservice import __version__
from pyservice.cli import service, show
from pyservice.cli.config import config_app
from pyservice.cli.doctor import doctor
from pyservice.cli.drain import drain
from pyservice.cli.jenkins import jenkins_app
from pyservice.cli.jenkins_emit import emit_app
from pyservice.cli.log import share_log
from pyservice.cli.node import node
from pyservice.cli.outbox import outbox_app
from pyservice.cli.relay import relay_app
from pyservice.cli.send import send
from pyservice.cli.template import template_app
from pyservice.cli.token import token_app
from pyservice.errors import ConfigurationError, SetupError, os_reason
from pyservice.validation import explain

EXAMPLES = """\b
Examples:
  notify-email demo                          try it, without sending anything
  notify-email token new ci                  make a token for a Jenkins
  notify-email serve                         run the service on this node
  notify-email config check                  whether the settings can be used
  notify-email send 2-failure --to ME        send a report through the running service
  notify-email outbox list                   the reports and their states
  notify-email template new team-a           start a template with your logo and words
  notify-email node                          the address that reaches this node's Postfix
  notify-email relay plan                    what containers need of this node's Postfix
  notify-email jenkins plan                  what Jenkins needs to send through the service
  notify-email doctor                        whether mail gets through, and if not, why
  notify-email serve --smtp-host 10.0.0.5    with another Postfix
"""


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        """Run a command; explain a value that can't be used in our words, not in pydantic's."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            if isinstance(error.__cause__, ValidationError):
                error.message = f"{explain(error.__cause__.errors()[0]).rstrip('.')}."
            raise


app = typer.Typer(
    name="notify-email",
    cls=_Commands,
    help="Build reports from Jenkins Pipelines, mailed through this node's Postfix.",
    epilog=EXAMPLES,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    pretty_exceptions_enable=False,
)
app.command()(service.serve)
app.command()(service.demo)
app.command()(send)
app.command()(node)
app.command()(doctor)
app.command()(share_log)
app.command()(drain)
app.add_typer(config_app, name="config")
app.add_typer(token_app, name="token")
app.add_typer(outbox_app, name="outbox")
app.add_typer(template_app, name="template")
app.add_typer(relay_app, name="relay")
jenkins_app.add_typer(emit_app, name="emit")
app.add_typer(jenkins_app, name="jenkins")


def main() -> None:
    """Run the command."""
    _open_streams()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # here a full disk can still be reported
    except (ConfigurationError, SetupError) as error:
        show.say(f"notify-email: {error}")
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains, too
        if not isinstance(error, BrokenPipeError):  # with `| head` that is no error
            where = error.filename or "the output"
            show.say(f"notify-email: {where}: {os_reason(error)}")
        sys.exit(1)


def _open_streams() -> None:
    """Open what the caller has closed, and let no locale refuse a character.

    Else the first file that is opened would be the standard output, and a job's name could not be
    printed where the locale is Latin-1.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            stream = open(number, mode, encoding="utf-8")  # noqa: PTH123, SIM115
            setattr(sys, name, stream)
        if mode == "w":
            stream.reconfigure(errors="replace")


def _version(wanted: bool) -> None:
    if wanted:
        show.line(f"notify-email {__version__}")
        raise typer.Exit


@app.command("help")
def help_(words: Annotated[list[str] | None, typer.Argument(metavar="COMMAND")] = None) -> None:
    """Show the help of a command.

    \b
    Examples:
      notify-email help
      notify-email help relay apply
    """
    app([*(words or []), "--help"])


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass
