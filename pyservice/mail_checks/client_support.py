"""Which features of HTML and CSS some client of the readers' lacks."""

from collections.abc import Iterator

from pyservice.mail_checks import clients
from pyservice.mail_checks.finding import Finding, Level
from pyservice.mail_checks.parsed import ParsedMail

ENGINES_OWN = ("css--", "css-mso-")
"""How properties of one engine begin, such as `-ms-` and Outlook's `mso-`; the others skip them."""


def check(mail: ParsedMail) -> Iterator[Finding]:
    """Check each feature that the HTML uses, once."""
    if not clients.is_there():
        yield Finding(
            "note",
            "Client support is not checked: caniemail's data is not in this installation.",
            "In a checkout, run `make setup`, which fetches it; a wheel has it.",
        )
        return
    known, seen = clients.support(), set[str]()
    covered, plainer = clients.fallbacks(), clients.decoration()
    for feature, line, column, excerpt in clients.features(mail):
        if feature in seen or feature in clients.not_rated() or feature.startswith(ENGINES_OWN):
            continue
        seen.add(feature)
        name = _name(feature)
        without = clients.lacks(feature, known)
        level: Level = "note"
        if feature not in known and feature not in plainer:
            what = f"caniemail.com does not rate {name}, so nobody knows which clients have it."
            cure = "Check how it is written, or look at the mail in your readers' clients."
        elif not without:
            continue
        else:
            is_missing = [one for one in without if known[feature][one].startswith("n")]
            what = (
                f"{_list(without)} {_verb(without)} {name}{'' if is_missing else ' in part only'}."
            )
            if instead := covered.get(feature) or plainer.get(feature):
                cure = f"None is needed: readers see instead: {instead}."
            else:
                level = "warning" if is_missing else "note"
                cure = (
                    "Use another way, or make sure that the mail reads well without it: "
                    f"https://www.caniemail.com/features/{feature}/"
                )
        yield Finding(level, what, cure, line=line, column=column, excerpt=excerpt)


def _name(feature: str) -> str:
    """Return a feature's name: `the property gap`."""
    kind, _, name = feature.partition("-")
    if kind == "html":
        return f"HTML's `{name}`"
    return f"CSS' `{name}`"


def _verb(clients_: list[str]) -> str:
    return "lacks" if len(clients_) == 1 else "lack"


def _list(names: list[str]) -> str:
    shown = [clients.client_name(name) for name in names]
    if len(shown) > 4:
        return f"{', '.join(shown[:3])} and {len(shown) - 3} more clients"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
