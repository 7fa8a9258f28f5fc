"""`jenkins emit`: what Jenkins does by itself when it starts."""

from pathlib import Path
from typing import Annotated

import typer

from pyservice.cli import jenkins_options as options

emit_app = typer.Typer(
    help="Write what Jenkins does by itself when it starts.", no_args_is_help=True
)

Watch = Annotated[int, typer.Option(min=0, help="Seconds between two looks; 0: only at the start.")]


@emit_app.command("init-groovy")
def init_groovy(
    address: options.Address = None,
    port: options.SmtpPort = None,
    email_ext: options.EmailExt = None,
    watch: Watch = 0,
) -> None:
    """A script for JENKINS_HOME/init.groovy.d: it finds the node and needs no token."""
    from pyservice.configurator.jenkins import emitting  # noqa: PLC0415

    asked = {"address": address, "port": port, "email_ext": email_ext}
    print(emitting.init_groovy(options.make_wanted(asked), watch), end="")


@emit_app.command()
def jcasc(
    address: options.Address = None,
    port: options.SmtpPort = None,
    email_ext: options.EmailExt = None,
    charset: options.Charset = None,
    reply_to: options.ReplyTo = None,
    default_suffix: options.Suffix = None,
    admin_address: options.Admin = None,
    service_url: options.ServiceUrl = None,
    transport: options.Transport = None,
    library: options.LibraryOf = None,
    library_credentials: options.LibraryCredentials = None,
    service_token_file: options.ServiceToken = None,
    read_file: Annotated[
        Path | None, typer.Option(help="A file with the address, read at each reload.")
    ] = None,
) -> None:
    """YAML for the configuration-as-code plugin; without an address it takes NODE_IP's."""
    from pyservice.configurator.jenkins import emitting  # noqa: PLC0415

    wanted = options.make_wanted(
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
    address: options.Address = None,
    port: options.SmtpPort = None,
    email_ext: options.EmailExt = None,
    watch: Watch = 0,
    read_file: Annotated[
        bool, typer.Option("--read-file", help="By JCasC and a file that an init container writes.")
    ] = False,
) -> None:
    """Values for the Jenkins Helm chart, with the node's address handed in as NODE_IP."""
    from pyservice.configurator.jenkins import emitting  # noqa: PLC0415

    wanted = options.make_wanted({"address": address, "port": port, "email_ext": email_ext})
    print(emitting.helm_values(wanted, watch=watch, read_file=read_file), end="")
