"""`jenkins emit`: what Jenkins does by itself when it starts."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pyservice.cli import show
from pyservice.cli.jenkins_options import ServerOptions, SettingsOptions, desired_jenkins, given
from pyservice.cli.options import expand_options

emit_app = typer.Typer(
    help="Write what Jenkins does by itself when it starts.", no_args_is_help=True
)

Watch = Annotated[
    int,
    typer.Option(
        metavar="<seconds>",
        min=0,
        max=86400,
        help="Seconds between two checks; 0: only at the start.",
    ),
]


@emit_app.command("init-groovy")
@expand_options
def init_groovy(options: ServerOptions, watch: Watch = 0) -> None:
    """Print a script for JENKINS_HOME/init.groovy.d: it finds the node and needs no token.

    \b
    Examples:
      notify-email jenkins emit init-groovy --watch 60 > init.groovy.d/notify-email.groovy
    """
    from pyservice.setup.jenkins import bootstrap  # noqa: PLC0415

    show.document(bootstrap.init_groovy(desired_jenkins(given(options)), watch))


@emit_app.command()
@expand_options
def jcasc(
    options: SettingsOptions,
    read_file: Annotated[
        Path | None, typer.Option(help="A file with the address, read at each reload.")
    ] = None,
    token_from: Annotated[
        str | None, typer.Option(help="The variable or secret with the service's token.")
    ] = None,
) -> None:
    """Print YAML for the configuration-as-code plugin; without an address it takes NODE_IP's.

    \b
    Examples:
      notify-email jenkins emit jcasc --admin-address jenkins@ci.example.com
      notify-email jenkins emit jcasc --read-file /run/notify-email/smtp-host
    """
    from pyservice.setup.jenkins import bootstrap  # noqa: PLC0415

    desired = desired_jenkins(given(_without_absent_plugin(options)))
    file = str(read_file) if read_file else None
    show.document(bootstrap.jcasc(desired, file, token_from))


@emit_app.command("helm-values")
@expand_options
def helm_values(
    options: SettingsOptions,
    watch: Watch = 0,
    read_file: Annotated[
        bool, typer.Option("--read-file", help="By JCasC and a file that an init container writes.")
    ] = False,
    token_from: Annotated[
        str | None, typer.Option(help="The Secret with the service's token: NAME/KEY.")
    ] = None,
    node: Annotated[str | None, typer.Option(help="The node that Jenkins is pinned to.")] = None,
) -> None:
    """Print values for the Jenkins Helm chart, which hands the node's address in as NODE_IP.

    \b
    Examples:
      notify-email jenkins emit helm-values --watch 60 > values.yaml
      helm upgrade jenkins jenkins/jenkins --reuse-values --values values.yaml
    """
    from pyservice.setup.jenkins import bootstrap  # noqa: PLC0415

    desired = desired_jenkins(given(_without_absent_plugin(options) if read_file else options))
    values = bootstrap.helm_values(
        desired, watch=watch, read_file=read_file, token_from=token_from, node=node
    )
    show.document(values)


def _without_absent_plugin(options: SettingsOptions) -> SettingsOptions:
    """Leave email-ext out unless it is named: JCasC ends Jenkins' start at an absent plugin."""
    return replace(options, email_ext=bool(options.email_ext))
