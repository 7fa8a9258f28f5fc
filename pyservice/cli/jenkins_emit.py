"""`jenkins emit`: what Jenkins does by itself when it starts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pyservice.cli.jenkins_options import SERVER, SETTINGS, make_wanted, takes

if TYPE_CHECKING:
    from pyservice.setup.jenkins.desired import Wanted

emit_app = typer.Typer(
    help="Write what Jenkins does by itself when it starts.", no_args_is_help=True
)

Watch = Annotated[
    int, typer.Option(min=0, max=86400, help="Seconds between two looks; 0: only at the start.")
]


@emit_app.command("init-groovy")
@takes(asked=SERVER)
def init_groovy(asked: dict[str, Any], watch: Watch = 0) -> None:
    """A script for JENKINS_HOME/init.groovy.d: it finds the node and needs no token.

    \b
    Examples:
      notify-email jenkins emit init-groovy --watch 60 > init.groovy.d/notify-email.groovy
    """
    from pyservice.setup.jenkins import bootstrap  # noqa: PLC0415

    print(bootstrap.init_groovy(make_wanted(asked), watch), end="")


@emit_app.command()
@takes(asked=SETTINGS)
def jcasc(
    asked: dict[str, Any],
    read_file: Annotated[
        Path | None, typer.Option(help="A file with the address, read at each reload.")
    ] = None,
    token_from: Annotated[
        str | None, typer.Option(help="The variable or secret with the service's token.")
    ] = None,
) -> None:
    """YAML for the configuration-as-code plugin; without an address it takes NODE_IP's.

    \b
    Examples:
      notify-email jenkins emit jcasc --admin-address jenkins@ci.example.com
      notify-email jenkins emit jcasc --read-file /run/notify-email/smtp-host
    """
    from pyservice.setup.jenkins import bootstrap  # noqa: PLC0415

    file = str(read_file) if read_file else None
    print(bootstrap.jcasc(_plugins_named(asked), file, token_from), end="")


@emit_app.command("helm-values")
@takes(asked=SETTINGS)
def helm_values(
    asked: dict[str, Any],
    watch: Watch = 0,
    read_file: Annotated[
        bool, typer.Option("--read-file", help="By JCasC and a file that an init container writes.")
    ] = False,
    token_from: Annotated[
        str | None, typer.Option(help="The Secret with the service's token: NAME/KEY.")
    ] = None,
    node: Annotated[str | None, typer.Option(help="The node that Jenkins is pinned to.")] = None,
) -> None:
    """Values for the Jenkins Helm chart, with the node's address handed in as NODE_IP.

    \b
    Examples:
      notify-email jenkins emit helm-values --watch 60 > values.yaml
      helm upgrade jenkins jenkins/jenkins --reuse-values --values values.yaml
    """
    from pyservice.setup.jenkins import bootstrap  # noqa: PLC0415

    wanted = _plugins_named(asked) if read_file else make_wanted(asked)
    values = bootstrap.helm_values(
        wanted, watch=watch, read_file=read_file, token_from=token_from, node=node
    )
    print(values, end="")


def _plugins_named(asked: dict[str, Any]) -> "Wanted":
    """JCasC ends Jenkins' start at a plugin that is not there, so email-ext is to be asked for."""
    return make_wanted(asked | {"email_ext": bool(asked["email_ext"])})
