"""Says what Postfix' restriction lists decide about a client of mynetworks.

Pure functions of settings (postconf(5), SMTPD_ACCESS_README). A container is such a client: it does
not log in, and writes to recipients elsewhere.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import takewhile

from pyservice.postfix.mynetworks import split_list, split_words

LISTS = tuple(
    f"smtpd_{stage}_restrictions"
    for stage in ("client", "helo", "sender", "relay", "recipient", "data", "end_of_data")
)
"""The lists that a mail passes, in their order; each one must let it pass."""

_PERMITS = {"permit", "permit_mynetworks"}
_REFUSES = {
    "reject_unauth_destination",
    "defer_unauth_destination",
    "reject",
    "defer",
    "defer_if_permit",
}
_PASSES = {
    "defer_if_reject",
    "permit_auth_destination",
    "permit_inet_interfaces",
    "permit_sasl_authenticated",
    "permit_tls_all_clientcerts",
    "permit_tls_clientcerts",
    "reject_unauth_pipelining",
    "reject_multi_recipient_bounce",
    "sleep",
}
"""What decides nothing about a container's mail."""
_WITH_ARGUMENT = re.compile(r"check_\w+|(?:reject|permit)_(?:rbl|rhsbl|rhswl|dnswl)\w*|sleep")
_BY_CLIENT = {
    "check_client_access",
    "check_reverse_client_hostname_access",
    "check_client_a_access",
    "check_client_mx_access",
    "check_client_ns_access",
    "check_policy_service",
    "reject_unknown_client",
    "reject_unknown_client_hostname",
    "reject_unknown_reverse_client_hostname",
}
"""What may decide about one client otherwise than about its neighbours."""
_PARAMETER = re.compile(r"\$(?:(\w+)|[{(](\w+)[)}])")
_DEEPEST = 10
"""How many restriction classes may lead from one to the next."""


class Decision(Enum):
    """What a list decides about a client of mynetworks."""

    PERMIT = "permit"
    REFUSE = "refuse"
    UNKNOWN = "unknown"
    """A table, a program or the mail itself decides."""


@dataclass(frozen=True)
class Verdict:
    """What a list decides about a client of mynetworks, and the restriction that does so."""

    decision: Decision
    restriction: str = ""
    """Empty: the end of the list is reached, which permits."""


def decide(name: str, parameters: Mapping[str, str]) -> Verdict:
    """Return what a list decides about a client of mynetworks.

    Args:
        name: the list's, of LISTS.
        parameters: the settings in force for the service that listens.
    """
    unknown, may_permit = "", False
    for restriction in _restrictions(name, parameters):
        if restriction in _PERMITS | _REFUSES:
            decision = Decision.PERMIT if restriction in _PERMITS else Decision.REFUSE
            is_certain = not unknown or (decision is Decision.REFUSE and not may_permit)
            return (
                Verdict(decision, restriction) if is_certain else Verdict(Decision.UNKNOWN, unknown)
            )
        if restriction not in _PASSES:
            unknown = unknown or restriction
            may_permit = may_permit or not restriction.startswith(("reject_", "defer_"))
    return Verdict(Decision.UNKNOWN, unknown) if unknown else Verdict(Decision.PERMIT)


def refuses_strangers(parameters: Mapping[str, str]) -> bool:
    """Return whether one of two lists refuses strangers, without which smtpd does not start.

    With compatibility_level = 0, as in a main.cf from before 3.0, the first list is empty.
    """
    lists = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
    return any(not _REFUSES.isdisjoint(_restrictions(name, parameters)) for name in lists)


def in_service(parameters: Mapping[str, str], service: str) -> dict[str, str]:
    """Return the settings in force for a service: main.cf's, and its own in master.cf.

    Args:
        parameters: main.cf's, with defaults.
        service: its whole line in master.cf.
    """
    own = {
        name: _PARAMETER.sub(lambda match: parameters.get(match[1] or match[2], ""), value)
        for name, value in overrides(service).items()
    }
    return {**parameters, **own}


def overrides(service: str) -> dict[str, str]:
    """Return the settings that a service's line in master.cf has of its own (`-o name=value`)."""
    words = iter(split_words(service, " \t\r\n"))
    settings = {}
    for word in words:
        if word == "-o":
            setting = next(words, "")
            name, _, value = (setting[1:-1] if setting.startswith("{") else setting).partition("=")
            settings[name.strip()] = value.strip()
    return settings


def tables(parameters: Mapping[str, str]) -> list[str]:
    """Return the restrictions that may decide about a single client, such as a table's."""
    return _by_client(word for name in LISTS for word in _restrictions(name, parameters))


def container_tables(parameters: Mapping[str, str]) -> list[str]:
    """Return those of `tables` that a client of mynetworks comes to."""
    return _by_client(
        word
        for name in LISTS
        for word in takewhile(
            lambda word: word not in _PERMITS | _REFUSES, _restrictions(name, parameters)
        )
    )


def exceptions(parameters: Mapping[str, str]) -> list[str]:
    """Return the restrictions by which a table or a program may let some strangers in.

    They come before the refusal in each list that has one. With a list that refuses strangers
    before it comes to any, there are none.
    """
    found: dict[str, None] = {}
    for name in LISTS:
        before: list[str] = []
        for word in _restrictions(name, parameters):
            if word in _REFUSES:
                if not before:
                    return []
                found |= dict.fromkeys(before)
            if word in _REFUSES or word == "permit":
                break
            if word not in _PASSES | _PERMITS and not word.startswith(("reject_", "defer_")):
                before.append(word)
    return list(found)


def _by_client(words: Iterable[str]) -> list[str]:
    return [word for word in dict.fromkeys(words) if word in _BY_CLIENT or ":" in word]


def _restrictions(name: str, parameters: Mapping[str, str]) -> Iterator[str]:
    """Yield a list's restrictions in lower case, in place of each class those of the class."""
    classes = set(split_list(parameters.get("smtpd_restriction_classes", "")))
    yield from _expand(split_list(parameters.get(name, "")), classes, parameters, _DEEPEST)


def _expand(
    words: list[str], classes: set[str], parameters: Mapping[str, str], depth: int
) -> Iterator[str]:
    rest = iter(words)
    for word in rest:
        if word in classes and depth:
            inner = split_list(parameters.get(word, ""))
            yield from _expand(inner, classes, parameters, depth - 1)
            continue
        restriction = word.lower()
        if restriction == "warn_if_reject":
            restriction = next(rest, "").lower()
            if restriction.startswith(("reject", "defer")):  # it refuses nobody
                if _WITH_ARGUMENT.fullmatch(restriction):
                    next(rest, None)
                continue
        if _WITH_ARGUMENT.fullmatch(restriction):
            next(rest, None)
        yield restriction
