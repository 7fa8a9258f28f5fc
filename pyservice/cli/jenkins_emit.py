"""`jenkins emit`: what Jenkins does by itself when it starts."""

from pathlib import Path
from typing import Annotated

import typer

from pyservice.cli import jenkins

emit_app = typer.Typer(
    help="Write what Jenkins does by itself when it starts.", no_args_is_help=True
)

Watch = Annotated[int, typer.Option(min=0, help="Seconds between two looks; 0: only at the start.")]


@emit_app.command("init-groovy")
def init_groovy(
    address: jenkins.Address = None,
    port: jenkins.SmtpPort = None,
    email_ext: jenkins.EmailExt = None,
    watch: Watch = 0,
) -> None:
    """A script for JENKINS_HOME/init.groovy.d: it finds the node and needs no token."""
    from pyservice.configurator.jenkins import emitting  # noqa: PLC0415

    asked = {"address": address, "port": port, "email_ext": email_ext}
    print(emitting.init_groovy(jenkins.make_wanted(asked), watch), end="")


@emit_app.command()
def jcasc(
    address: jenkins.Address = None,
    port: jenkins.SmtpPort = None,
    email_ext: jenkins.EmailExt = None,
    charset: jenkins.Charset = None,
    reply_to: jenkins.ReplyTo = None,
    default_suffix: jenkins.Suffix = None,
    admin_address: jenkins.Admin = None,
    service_url: jenkins.ServiceUrl = None,
    transport: jenkins.Transport = None,
    library: jenkins.LibraryOf = None,
    library_credentials: jenkins.LibraryCredentials = None,
    service_token_file: jenkins.ServiceToken = None,
    read_file: Annotated[
        Path | None, typer.Option(help="A file with the address, read at each reload.")
    ] = None,
) -> None:
    """YAML for the configuration-as-code plugin; without an address it takes NODE_IP's."""
    from pyservice.configurator.jenkins import emitting  # noqa: PLC0415

    wanted = jenkins.make_wanted(
        {
            "address": address,
            "port": port,
            "email_ext": email_ext,
            "charset": charset,
            "reply_to": reply_to,
            "default_suffix": default_suffix,
            "admin_address": admin_address,
            "service_url": service_url,
            "transport": transport,
            "library": library,
            "library_credentials": library_credentials,
            "service_token_file": service_token_file,
        }
    )
    print(emitting.jcasc(wanted, str(read_file) if read_file else None), end="")


@emit_app.command("helm-values")
def helm_values(
    address: jenkins.Address = None,
    port: jenkins.SmtpPort = None,
    email_ext: jenkins.EmailExt = None,
    watch: Watch = 0,
    read_file: Annotated[
        bool, typer.Option("--read-file", help="By JCasC and a file that an init container writes.")
    ] = False,
) -> None:
    """Values for the Jenkins Helm chart, with the node's address handed in as NODE_IP."""
    from pyservice.configurator.jenkins import emitting  # noqa: PLC0415

    wanted = jenkins.make_wanted({"address": address, "port": port, "email_ext": email_ext})
    print(emitting.helm_values(wanted, watch=watch, read_file=read_file), end="")
