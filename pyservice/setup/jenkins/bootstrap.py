"""What Jenkins does by itself when it starts: an init script, JCasC, Helm values.

They hold no secret: a token is named, never written down.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from textwrap import indent
from typing import Any

from pyservice.config.settings import PORT
from pyservice.errors import ConfigurationError
from pyservice.setup.jenkins.connection import read_script
from pyservice.setup.jenkins.desired import (
    AUTO,
    CREDENTIAL,
    LIBRARY,
    SERVER,
    DesiredJenkins,
    Settings,
    is_host,
)

_NODE_IP = "${NODE_IP}"
_SHARED = "/run/notify-email"
_MOUNT = {"name": "notify-email", "mountPath": _SHARED}
_VARIABLE = "NOTIFY_EMAIL_TOKEN"
_SECRET = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-.0123456789")


def init_groovy(desired: DesiredJenkins, watch: int = 0) -> str:
    """Return a script for init.groovy.d that lets Jenkins send through the node's Postfix.

    Args:
        desired: only its address, port and email_ext.
        watch: seconds between two checks of the address; 0: only at the start.
    """
    values = {
        # A host's name has no quotation mark, nor anything else that Groovy reads.
        "$address": "null" if desired.address == AUTO else f"'{desired.address}'",
        "$port": str(desired.port),
        "$email_ext": "true" if desired.email_ext else "false",
        "$watch": str(watch),
        "$finding": indent(read_script("address").rstrip(), "    "),
    }
    text = read_script("init")
    for name, value in values.items():
        text = text.replace(name, value, 1)
    return text


def jcasc(
    desired: DesiredJenkins, read_file: str | None = None, token_from: str | None = None
) -> str:
    """Return YAML for the configuration-as-code plugin.

    Args:
        desired: an address that is `auto` becomes the variable NODE_IP.
        read_file: a file with the address, which JCasC reads anew at each reload.
        token_from: the variable or secret of JCasC with the service's token; None: no credential,
            unless there is a token, which then comes from NOTIFY_EMAIL_TOKEN.

    Raises:
        ConfigurationError: `read_file` is no file's path, or `token_from` no name.
    """
    return "\n".join(_yaml(_configuration(desired, read_file, token_from, server=True))) + "\n"


def helm_values(
    desired: DesiredJenkins,
    *,
    watch: int = 0,
    read_file: bool = False,
    token_from: str | None = None,
    node: str | None = None,
) -> str:
    """Return values for the Jenkins Helm chart: the init script for the mail server, else JCasC.

    Args:
        desired: as for `jcasc`.
        watch: as for `init_groovy`.
        read_file: the mail server by JCasC, too, from a file that an init container writes.
        token_from: the Kubernetes Secret with the service's token, and its key: `NAME/KEY`.
        node: the name of the node that Jenkins is pinned to.

    Raises:
        ConfigurationError: `token_from` names no Secret and key, or `node` no node.
    """
    controller: dict[str, Any] = {}
    if node is not None:
        if not is_host(node):
            raise ConfigurationError("--node must be a node's name.")
        controller["nodeSelector"] = {"kubernetes.io/hostname": node}
    if token_from is not None:
        secret, token_from = _existing_secret(token_from)
        controller["additionalExistingSecrets"] = [secret]
    if desired.admin_address is not None:
        # The chart has it in its own JCasC, unquoted, and JCasC refuses to have it twice.
        [(_, address)] = _escaped({"": desired.admin_address}).items()
        controller["jenkinsAdminEmail"] = json.dumps(address, ensure_ascii=False)
        desired = replace(desired, admin_address=None)
    controller["containerEnv"] = [_host_ip()]
    values: dict[str, Any] = {"controller": controller}
    file = f"{_SHARED}/smtp-host" if read_file else None
    if file is None:
        script = init_groovy(desired, watch)
        controller["initScripts"] = {"notify-email": _untemplated(script)}
    else:
        controller["customInitContainers"] = [_address_writer(file)]
        values["persistence"] = {
            "volumes": [{"name": "notify-email", "emptyDir": {}}],
            "mounts": [_MOUNT | {"readOnly": True}],
        }
    if configuration := _configuration(desired, file, token_from, server=read_file):
        text = "\n".join(_yaml(configuration)) + "\n"
        controller["JCasC"] = {"configScripts": {"notify-email": _untemplated(text)}}
    return "\n".join(_yaml(values)) + "\n"


def _existing_secret(text: str) -> tuple[dict[str, str], str]:
    """Return a Secret `NAME/KEY` as the chart mounts it, and the name that JCasC then knows."""
    name, _, key = text.partition("/")
    if not (_SECRET.fullmatch(name) and _SECRET.fullmatch(key)):
        raise ConfigurationError(
            "--token-from must be a Secret's name and a key in it, of lower-case letters, digits "
            "and hyphens: notify-email/token."
        )
    return {"name": name, "keyName": key}, f"{name}-{key}"


def _address_writer(file: str) -> dict[str, Any]:
    """Return an init container that writes the node's address into a file."""
    return {
        "name": "notify-email",
        "image": "busybox:1.37",
        "command": ["sh", "-c", f'printf %s "$NODE_IP" > {file}'],
        "env": [_host_ip()],
        "volumeMounts": [_MOUNT],
    }


def _host_ip() -> dict[str, Any]:
    source = {"fieldRef": {"fieldPath": "status.hostIP"}}
    return {"name": "NODE_IP", "valueFrom": source}


def _untemplated(text: str) -> str:
    """Return a text for the chart, to which scripts are templates of Helm."""
    return text.replace("{{", '{{ "{{" }}')


def _configuration(
    desired: DesiredJenkins, read_file: str | None, token_from: str | None, *, server: bool
) -> dict[str, Any]:
    """Return what JCasC reads; `server`: with the mail server's address, port and no TLS."""
    if read_file is not None and not (
        read_file.startswith("/") and set(read_file) <= _PLAIN | {"/"}
    ):
        raise ConfigurationError("--read-file must be an absolute path of plain characters.")
    if token_from is not None and not (token_from and set(token_from) <= _PLAIN):
        raise ConfigurationError("--token-from must be the name of a variable or a secret.")
    placeholder = f"${{readFile:{read_file}}}" if read_file else _NODE_IP
    is_auto = desired.address == AUTO
    settings = desired.settings("127.0.0.1" if is_auto else desired.address)
    address = placeholder if is_auto or read_file else desired.address
    configuration: dict[str, Any] = {}
    if unclassified := _unclassified(settings, address if server else None):
        configuration["unclassified"] = unclassified
    if "variables" in settings:
        values = _escaped(settings["variables"])
        if desired.service_url == AUTO and address == placeholder:
            values["NOTIFY_EMAIL_URL"] = f"http://{address}:{PORT}"
        variables = {"env": [{"key": name, "value": value} for name, value in values.items()]}
        configuration["jenkins"] = {"globalNodeProperties": [{"envVars": variables}]}
    if token_from is not None or desired.token is not None:
        configuration["credentials"] = _credential(token_from or _VARIABLE)
    return configuration


def _unclassified(settings: Settings, server: str | None) -> dict[str, Any]:
    """Return the plugins' settings; `server`: the mail server's address, None: leave it out."""
    sections = dict(settings)
    for section in {"mailer", "emailExt"} & sections.keys():
        values = dict(sections[section])
        if server is None:
            values = {name: value for name, value in values.items() if name not in SERVER}
        else:
            values["smtpHost"] = server
        sections[section] = _escaped(values, server)
    unclassified: dict[str, Any] = {}
    if sections["mailer"]:
        unclassified["mailer"] = sections["mailer"]
    if sections.get("emailExt"):
        unclassified["email-ext"] = {"mailAccount": sections["emailExt"]}
    if "location" in sections:
        unclassified["location"] = _escaped(sections["location"])
    if "library" in sections:
        unclassified["globalLibraries"] = {"libraries": [_library(_escaped(sections["library"]))]}
    return unclassified


def _credential(variable: str) -> dict[str, Any]:
    """Return the service's token as a credential, with its value from a variable."""
    pair = {
        "scope": "SYSTEM",
        "id": CREDENTIAL,
        "username": "jenkins",
        "password": f"${{{variable}}}",
    }
    domains = [{"credentials": [{"usernamePassword": pair}]}]
    return {"system": {"domainCredentials": domains}}


def _library(values: dict[str, Any]) -> dict[str, Any]:
    git = {name: values[name] for name in ("remote", "credentialsId") if name in values}
    options = ("defaultVersion", "implicit", "allowVersionOverride", "includeInChangesets")
    return {
        "name": LIBRARY,
        **{name: values[name] for name in options},
        "cachingConfiguration": {"refreshTimeMinutes": values["refreshTimeMinutes"]},
        "retriever": {"modernSCM": {"scm": {"git": git}}},
    }


def _escaped(values: dict[str, Any], placeholder: str | None = None) -> dict[str, Any]:
    """Return values with a `^` before each `${`, which JCasC would replace, but `placeholder`."""
    return {
        name: value.replace("${", "^${")
        if isinstance(value, str) and value != placeholder
        else value
        for name, value in values.items()
    }


def _yaml(value: Any, margin: str = "") -> Iterator[str]:
    """Yield lines of YAML: JSON's strings and numbers are YAML's, too; long texts become blocks."""
    entries = (
        ((f"{name}:", item) for name, item in value.items())
        if isinstance(value, dict)
        else (("-", item) for item in value)
    )
    for head, item in entries:
        if isinstance(item, str) and "\n" in item:
            yield f"{margin}{head} |"
            yield from (f"{margin}  {line}" if line else "" for line in item.splitlines())
        elif isinstance(item, dict | list) and item:
            lines = list(_yaml(item, margin + "  "))
            if head == "-":
                yield f"{margin}- {lines[0].lstrip()}"
                yield from lines[1:]
            else:
                yield f"{margin}{head}"
                yield from lines
        else:
            yield f"{margin}{head} {json.dumps(item, ensure_ascii=False)}"
