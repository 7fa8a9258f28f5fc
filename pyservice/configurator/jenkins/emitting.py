"""What Jenkins does by itself when it starts: an init script, JCasC, Helm values.

They hold no secret: a token is named, never written down.
"""

import json
from collections.abc import Iterator
from textwrap import indent
from typing import Any

from pyservice.configurator.jenkins.connection import read_script
from pyservice.configurator.jenkins.wanted import AUTO, CREDENTIAL, LIBRARY, Wanted
from pyservice.errors import ConfigurationError
from pyservice.settings import PORT

_NODE_IP = "${NODE_IP}"
_SHARED = "/run/notify-email"
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


def jcasc(wanted: Wanted, read_file: str | None = None) -> str:
    """The same as YAML for the configuration-as-code plugin.

    Args:
        wanted: all but the token, which is to come from the variable NOTIFY_EMAIL_TOKEN; an
            address that is `auto` becomes the variable NODE_IP.
        read_file: a file that holds the address, which JCasC reads anew at each reload.
    """
    return "\n".join(_yaml(_configuration(wanted, read_file))) + "\n"


def helm_values(wanted: Wanted, *, watch: int = 0, read_file: bool = False) -> str:
    """Values for the Jenkins Helm chart: the init script, or JCasC with an init container.

    Args:
        wanted: as for the other two.
        watch: as for `init_groovy`.
        read_file: JCasC that reads the address from a file, which an init container writes.
    """
    if read_file:
        file = f"{_SHARED}/smtp-host"
        write = f'printf %s "$NODE_IP" > {file}'
        mount = {"name": "notify-email", "mountPath": _SHARED}
        return "\n".join(
            _yaml(
                {
                    "controller": {
                        "JCasC": {"configScripts": {"notify-email": jcasc(wanted, file)}},
                        "customInitContainers": [
                            {
                                "name": "notify-email",
                                "image": "busybox:1.37",
                                "command": ["sh", "-c", write],
                                "env": [_host_ip()],
                                "volumeMounts": [mount],
                            }
                        ],
                    },
                    "persistence": {
                        "volumes": [{"name": "notify-email", "emptyDir": {}}],
                        "mounts": [mount | {"readOnly": True}],
                    },
                }
            )
        ) + "\n"  # fmt: skip
    script = init_groovy(wanted, watch)
    controller = {"containerEnv": [_host_ip()], "initScripts": {"notify-email": script}}
    return "\n".join(_yaml({"controller": controller})) + "\n"


def _host_ip() -> dict[str, Any]:
    source = {"fieldRef": {"fieldPath": "status.hostIP"}}
    return {"name": "NODE_IP", "valueFrom": source}


def _configuration(wanted: Wanted, read_file: str | None) -> dict[str, Any]:
    if read_file is not None and not (
        read_file.startswith("/") and set(read_file) <= _PLAIN | {"/"}
    ):
        raise ConfigurationError("--read-file is to be an absolute path of plain characters.")
    placeholder = f"${{readFile:{read_file}}}" if read_file else _NODE_IP
    is_auto = wanted.address == AUTO
    settings = wanted.settings("127.0.0.1" if is_auto else wanted.address)
    address = placeholder if is_auto or read_file else wanted.address
    mailer = _escaped(settings["mailer"]) | {"smtpHost": address}
    unclassified: dict[str, Any] = {"mailer": mailer}
    if "emailExt" in settings:
        account = _escaped(settings["emailExt"]) | {"smtpHost": address}
        unclassified["email-ext"] = {"mailAccount": account}
    if "location" in settings:
        unclassified["location"] = _escaped(settings["location"])
    if "library" in settings:
        unclassified["globalLibraries"] = {"libraries": [_library(_escaped(settings["library"]))]}
    configuration: dict[str, Any] = {"unclassified": unclassified}
    if "variables" in settings:
        values = _escaped(settings["variables"])
        if wanted.service_url == AUTO:
            values["NOTIFY_EMAIL_URL"] = f"http://{address}:{PORT}"
        variables = {"env": [{"key": name, "value": value} for name, value in values.items()]}
        configuration["jenkins"] = {"globalNodeProperties": [{"envVars": variables}]}
    if wanted.token is not None:
        pair = {
            "scope": "SYSTEM",
            "id": CREDENTIAL,
            "username": "jenkins",
            "password": "${NOTIFY_EMAIL_TOKEN}",
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


def _escaped(values: dict[str, Any]) -> dict[str, Any]:
    """JCasC replaces `${…}` in a value, unless a `^` stands before it."""
    return {
        name: value.replace("${", "^${") if isinstance(value, str) else value
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
