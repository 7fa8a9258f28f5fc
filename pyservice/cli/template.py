"""`template`: start, list, check and render templates, without a running service."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, ParamSpec, TypeVar

import typer

from pyservice.cli import show
from pyservice.cli.service import Config
from pyservice.config.settings import Settings
from pyservice.errors import ConfigurationError, RequestError, SetupError

template_app = typer.Typer(
    help="Start, list, check and render templates of mails.", no_args_is_help=True
)
_P = ParamSpec("_P")
_T = TypeVar("_T")
Part = Literal["html", "text", "headers", "source", "eml"]


@template_app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Its name, for `template:` in a Pipeline.")],
    folder: Annotated[
        Path | None,
        typer.Option(
            "--dir", help="The folder of templates.  [default: NOTIFY_EMAIL_TEMPLATES_DIR, or .]"
        ),
    ] = None,
    config: Config = None,
) -> None:
    """Start a template: a folder with files that extend the built-in mail, with comments.

    Put your logo in place of logo.png, and your words into the blocks of body.html and body.txt.
    A folder that is there stays as it is. The name `build` is for all mails that name no template.

    \b
    Examples:
      notify-email template new team-a
      notify-email template new build --dir /etc/notify-email/templates
    """
    from pyservice.cli.template_folders import write_new

    written = write_new(folder or Settings.load(config).templates_dir or Path(), name)
    for file in written:
        show.line(str(file))
    show.say(f"Next: notify-email template check {written[0].parent}")


@template_app.command("list")
def list_(
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="The folder.  [default: NOTIFY_EMAIL_TEMPLATES_DIR]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    config: Config = None,
) -> None:
    """List the templates, and what is wrong with those that can't be used.

    Exit code 1: at least one can't be used.

    \b
    Examples:
      notify-email template list
      notify-email template list --dir templates --json
    """
    from pyservice.cli.template_folders import template_names
    from pyservice.mail.renderer import BUILT_IN, DIGEST, Renderer

    where = folder or Settings.load(config).templates_dir
    own = template_names(where) if where else []
    faults = Renderer(where).faults()
    names = [*dict.fromkeys([*own, BUILT_IN, DIGEST])]
    if as_json:
        show.json(
            [{"name": name, "is_own": name in own, "fault": faults.get(name)} for name in names]
        )
    else:
        rows = [
            (name, str(where / name) if where and name in own else "built in", faults.get(name, ""))
            for name in names
        ]
        show.table(("NAME", "FOLDER", "FAULT"), rows)
    if faults:
        raise typer.Exit(1)


@template_app.command("check")
def check(
    templates: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DIR|NAME",
            help="A folder of templates, one template's folder, or names.  "
            "[default: all of NOTIFY_EMAIL_TEMPLATES_DIR]",
        ),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(help="Write JUnit XML to this file, for Jenkins' `junit` step.")
    ] = None,
    notes: Annotated[bool, typer.Option("--notes", help="Show notes, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with the notes.")] = False,
    config: Config = None,
) -> None:
    """Check the mails of all samples with each template: for clients, readers and mail servers.

    An error keeps readers from reading or using the mail; some readers see what a warning names;
    a note is good to know. Exit code 1: there is an error. Nothing is sent or requested.

    \b
    Examples:
      notify-email template check team-a
      notify-email template check templates --junit checks.xml
      notify-email template check build --notes
    """
    from pyservice.cli.template_folders import find_targets, open_previews
    from pyservice.cli.template_results import (
        TemplateResult,
        check_template,
        print_result,
        sample_names,
        write_junit,
    )

    settings = Settings.load(config)
    results: list[TemplateResult] = []
    for target in find_targets(templates or [], settings):
        with open_previews(settings, target.folder) as previews:
            for name in target.names:
                bar = typer.progressbar(
                    length=len(sample_names(name)),
                    label=name,
                    file=sys.stderr,
                    hidden=not sys.stderr.isatty(),
                )
                with bar:
                    result = _explained(
                        check_template, previews, target.folder, name, partial(bar.update, 1)
                    )
                results.append(result)
                if not as_json:
                    print_result(result, with_notes=notes)
    if junit:
        write_junit(results, junit)
    if as_json:
        show.json([result.as_json() for result in results])
    if any(result.count("error") for result in results):
        raise typer.Exit(1)


@template_app.command("render")
def render(
    template: Annotated[str, typer.Argument(help="A template's name or its folder.")],
    sample: Annotated[
        str,
        typer.Argument(help="A recorded build, or build:JOB#NUMBER of NOTIFY_EMAIL_JENKINS_URL."),
    ] = "2-failure",
    report: Annotated[
        str | None, typer.Option(help="A report in JSON, in place of a sample; - for stdin.")
    ] = None,
    part: Annotated[Part, typer.Option(help="html, text, headers, source or eml.")] = "html",
    output: Annotated[Path | None, typer.Option(help="Write it to this file.")] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the HTML in a browser.")] = False,
    png: Annotated[
        Path | None, typer.Option(help="Write a picture to this file; needs a Chromium.")
    ] = None,
    width: Annotated[
        int,
        typer.Option(metavar="<pixels>", help="Of the picture: 390 is a phone.", min=200, max=2000),
    ] = 720,
    dark: Annotated[bool, typer.Option("--dark", help="The picture in dark mode.")] = False,
    config: Config = None,
) -> None:
    """Render one mail, by the code that sends. Nothing is sent.

    If the template fails, the mail is the built-in one, as readers would get it, the fault is
    printed, and the exit code is 1.

    \b
    Examples:
      notify-email template render team-a --open
      notify-email template render templates/team-a 3-unstable --png mail.png --width 390 --dark
      notify-email template render team-a --report my.json --part text
      notify-email template render team-a --part eml --output mail.eml
    """
    from pyservice.cli import template_render
    from pyservice.cli.template_folders import find_targets, open_previews

    settings = Settings.load(config)
    targets = find_targets([template], settings)
    if len(targets[0].names) != 1:
        raise ConfigurationError(
            f"{template} has several templates: {', '.join(targets[0].names)}. Name one of them."
        )
    with open_previews(settings, targets[0].folder) as previews:
        preview = _explained(template_render.make, previews, targets[0].names[0], sample, report)
    if png:
        template_render.write_picture(preview, png, width, dark=dark)
    if open_:
        template_render.open_in_browser(preview)
    if output or not (png or open_):
        template_render.write(preview, part, output)
    for fault in preview.faults:
        show.say(f"{fault}")
    if preview.faults:
        raise typer.Exit(1)


def _explained(call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Return what a call returns; what a request would be refused for is the command's error.

    Raises:
        ConfigurationError: there is no such sample, or a file can't be used.
        SetupError: Jenkins refuses a build, or is away.
    """
    try:
        return call(*args, **kwargs)
    except RequestError as error:
        kind = SetupError if error.status >= 500 else ConfigurationError
        raise kind(error.detail) from None
