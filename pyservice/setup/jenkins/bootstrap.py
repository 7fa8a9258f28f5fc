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
from pyservice.setup.jenkins.desired import AUTO, CREDENTIAL, LIBRARY, SERVER, Wanted, is_host

_NODE_IP = "${NODE_IP}"
_SHARED = "/run/notify-email"
_VARIABLE = "NOTIFY_EMAIL_TOKEN"
_SECRET = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-.0123456789")


def init_groovy(wanted: Wanted, watch: int = 0) -> str:
    """A script for init.groovy.d that points Jenkins' mail at the node's Postfix.

    Args:
        wanted: of it address, port and email_ext.
        watch: seconds between two looks at the address; 0: only at the start.
    """
    values = {
        # A host's name has no quotation mark, nor anything else that Groovy reads.
        "$address": "null" if wanted.address == AUTO else f"'{wanted.address}'",
        "$port": str(wanted.port),
        "$email_ext": "true" if wanted.email_ext else "false",
        "$watch": str(watch),
        "$finding": indent(read_script("address").rstrip(), "    "),
    }
    text = read_script("init")
    for name, value in values.items():
        text = text.replace(name, value, 1)
    return text


def jcasc(wanted: Wanted, read_file: str | None = None, token_from: str | None = None) -> str:
    """The same as YAML for the configuration-as-code plugin.

    Args:
        wanted: an address that is `auto` becomes the variable NODE_IP.
        read_file: a file that holds the address, which JCasC reads anew at each reload.
        token_from: the variable or secret of JCasC that holds the service's token; None: no
            credential, unless there is a token, which is then to come from NOTIFY_EMAIL_TOKEN.

    Raises:
        ConfigurationError: `read_file` or `token_from` is none.
    """
    return "\n".join(_yaml(_configuration(wanted, read_file, token_from, server=True))) + "\n"


def helm_values(
    wanted: Wanted,
    *,
    watch: int = 0,
    read_file: bool = False,
    token_from: str | None = None,
    node: str | None = None,
) -> str:
    """Values for the Jenkins Helm chart: the mail server by the init script, all else by JCasC.

    Args:
        wanted: as for `jcasc`.
        watch: as for `init_groovy`.
        read_file: the mail server by JCasC, too, from a file that an init container writes.
        token_from: the Kubernetes Secret with the service's token, and its key: `NAME/KEY`.
        node: the name of the node that Jenkins is pinned to.

    Raises:
        ConfigurationError: `token_from` or `node` is none.
    """
    controller: dict[str, Any] = {}
    if node is not None:
        if not is_host(node):
            raise ConfigurationError("--node is to be a node's name.")
        controller["nodeSelector"] = {"kubernetes.io/hostname": node}
    if token_from is not None:
        name, _, key = token_from.partition("/")
        if not (_SECRET.fullmatch(name) and _SECRET.fullmatch(key)):
            raise ConfigurationError(
                "--token-from is to be a Secret's name and a key in it, of lower-case letters, "
                "digits and hyphens: notify-email/token."
            )
        controller["additionalExistingSecrets"] = [{"name": name, "keyName": key}]
        token_from = f"{name}-{key}"
    if wanted.admin_address is not None:
        # The chart has it in its own JCasC, where it stands as it is, and JCasC takes it but once.
        [(_, address)] = _escaped({"": wanted.admin_address}).items()
        controller["jenkinsAdminEmail"] = json.dumps(address, ensure_ascii=False)
        wanted = replace(wanted, admin_address=None)
    controller["containerEnv"] = [_host_ip()]
    values: dict[str, Any] = {"controller": controller}
    file = f"{_SHARED}/smtp-host" if read_file else None
    if file is None:
        script = init_groovy(wanted, watch)
        controller["initScripts"] = {"notify-email": _untemplated(script)}
    else:
        mount = {"name": "notify-email", "mountPath": _SHARED}
        controller["customInitContainers"] = [
            {
                "name": "notify-email",
                "image": "busybox:1.37",
                "command": ["sh", "-c", f'printf %s "$NODE_IP" > {file}'],
                "env": [_host_ip()],
                "volumeMounts": [mount],
            }
        ]
        values["persistence"] = {
            "volumes": [{"name": "notify-email", "emptyDir": {}}],
            "mounts": [mount | {"readOnly": True}],
        }
    if configuration := _configuration(wanted, file, token_from, server=read_file):
        text = "\n".join(_yaml(configuration)) + "\n"
        controller["JCasC"] = {"configScripts": {"notify-email": _untemplated(text)}}
    return "\n".join(_yaml(values)) + "\n"


def _host_ip() -> dict[str, Any]:
    source = {"fieldRef": {"fieldPath": "status.hostIP"}}
    return {"name": "NODE_IP", "valueFrom": source}


def _untemplated(text: str) -> str:
    """The chart takes scripts for templates of Helm."""
    return text.replace("{{", '{{ "{{" }}')


def _configuration(
    wanted: Wanted, read_file: str | None, token_from: str | None, *, server: bool
) -> dict[str, Any]:
    if read_file is not None and not (
        read_file.startswith("/") and set(read_file) <= _PLAIN | {"/"}
    ):
        raise ConfigurationError("--read-file is to be an absolute path of plain characters.")
    if token_from is not None and not (token_from and set(token_from) <= _PLAIN):
        raise ConfigurationError("--token-from is to be a variable's name, or a secret's.")
    placeholder = f"${{readFile:{read_file}}}" if read_file else _NODE_IP
    is_auto = wanted.address == AUTO
    settings = wanted.settings("127.0.0.1" if is_auto else wanted.address)
    address = placeholder if is_auto or read_file else wanted.address
    for section in {"mailer", "emailExt"} & settings.keys():
        if server:
            settings[section]["smtpHost"] = address
        else:
            settings[section] = {
                name: value for name, value in settings[section].items() if name not in SERVER
            }
    unclassified: dict[str, Any] = {}
    if settings["mailer"]:
        unclassified["mailer"] = _escaped(settings["mailer"], address)
    if settings.get("emailExt"):
        account = _escaped(settings["emailExt"], address)
        unclassified["email-ext"] = {"mailAccount": account}
    if "location" in settings:
        unclassified["location"] = _escaped(settings["location"])
    if "library" in settings:
        unclassified["globalLibraries"] = {"libraries": [_library(_escaped(settings["library"]))]}
    configuration: dict[str, Any] = {"unclassified": unclassified} if unclassified else {}
    if "variables" in settings:
        values = _escaped(settings["variables"])
        if wanted.service_url == AUTO and address == placeholder:
            values["NOTIFY_EMAIL_URL"] = f"http://{address}:{PORT}"
        variables = {"env": [{"key": name, "value": value} for name, value in values.items()]}
        configuration["jenkins"] = {"globalNodeProperties": [{"envVars": variables}]}
    if token_from is not None or wanted.token is not None:
        pair = {
            "scope": "SYSTEM",
            "id": CREDENTIAL,
            "username": "jenkins",
            "password": f"${{{token_from or _VARIABLE}}}",
        }
        domains = [{"credentials": [{"usernamePassword": pair}]}]
        configuration["credentials"] = {"system": {"domainCredentials": domains}}
    return configuration


def _library(values: dict[str, Any]) -> dict[str, Any]:
    git = {name: values[name] for name in ("remote", "credentialsId") if name in values}
    options = ("defaultVersion", "implicit", "allowVersionOverride", "includeInChangesets")
    return {
        "name": LIBRARY,
        **{name: values[name] for name in options},
        "cachingConfiguration": {"refreshTimeMinutes": values["refreshTimeMinutes"]},
        "retriever": {"modernSCM": {"scm": {"git": git}}},
    }


def _escaped(values: dict[str, Any], but: str | None = None) -> dict[str, Any]:
    """JCasC replaces `${…}` in a value, unless a `^` stands before it; `but` is to be replaced."""
    return {
        name: value.replace("${", "^${") if isinstance(value, str) and value != but else value
        for name, value in values.items()
    }


def _yaml(value: Any, margin: str = "") -> Iterator[str]:
    """Lines of YAML: JSON's strings and numbers are YAML's, too; long texts become blocks."""
    entries = (
        ((f"{name}:", one) for name, one in value.items())
        if isinstance(value, dict)
        else (("-", one) for one in value)
    )
    for head, one in entries:
        if isinstance(one, str) and "\n" in one:
            yield f"{margin}{head} |"
            yield from (f"{margin}  {line}" if line else "" for line in one.splitlines())
        elif isinstance(one, dict | list) and one:
            lines = list(_yaml(one, margin + "  "))
            if head == "-":
                yield f"{margin}- {lines[0].lstrip()}"
                yield from lines[1:]
            else:
                yield f"{margin}{head}"
                yield from lines
        else:
            yield f"{margin}{head} {json.dumps(one, ensure_ascii=False)}"
