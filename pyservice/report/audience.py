"""Why readers get a mail: who names its recipients, or what these have to do with the build."""

from collections.abc import Collection, Sequence

from pyservice.report.schema import Mail, RecipientKind

PIPELINE = "the Pipeline"
CONTROLLER = "NOTIFY_EMAIL_TO in Jenkins"
SERVICE = "NOTIFY_EMAIL_DEFAULT_TO of the mail service"
_ORDER = (PIPELINE, CONTROLLER, SERVICE)
_KINDS: dict[RecipientKind, str] = {
    "developers": "an author of {the} build's changes",
    "culprits": "an author of a change since the last success",
    "requestor": "the person who started {the} build",
    "upstreamDevelopers": "an author of a change in a build that led to {the} build",
    "brokenTestsSuspects": "somebody who may have broken the tests",
    "brokenBuildSuspects": "somebody who may have broken the build",
    "previous": "somebody who is concerned in the build before",
    "contributor": "the author of {the} change request",
    "suspects": "somebody whose change may be why",
}
_BETWEEN_ADDRESSES = " \t\r\n,;"


def named_by(mail: Mail) -> frozenset[str]:
    """Return who names the recipients of a report: PIPELINE, CONTROLLER or SERVICE, and kinds."""
    has_to, *has_others = (
        any(text.strip(_BETWEEN_ADDRESSES) for text in texts or ())
        for texts in (mail.to, mail.cc, mail.bcc)
    )
    sources: set[str] = {PIPELINE} if any(has_others) else set()
    if has_to:
        sources.add(CONTROLLER if mail.to_is_default else PIPELINE)
    return frozenset(sources | set(mail.recipients) or {SERVICE})


def why(sources: Collection[str], *, of_many: bool = False) -> str:
    """Return why its readers get a mail, as a sentence.

    Args:
        sources: who names the recipients, and the kinds of recipients.
        of_many: whether the mail is about the builds of many Pipelines.
    """
    pipeline, verb = ("their Pipelines", "name") if of_many else ("its Pipeline", "names")
    the = "a" if of_many else "the"
    kinds = [text.format(the=the) for kind, text in _KINDS.items() if kind in sources]
    who = [source for source in _ORDER if source in sources]
    if kinds and not who:
        return f"You get this mail as {_listed(kinds)}."
    if len(who) == 1 and who != [PIPELINE] and not kinds:
        return f"You are among the recipients that {who[0]} names, since {pipeline} {verb} none."
    names = [pipeline if source == PIPELINE else source for source in who]
    among = f"among the recipients that {_listed(names)} {verb}"
    return (
        f"You get this mail as {_listed(kinds)}, or are {among}." if kinds else f"You are {among}."
    )


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)}{' or ' * bool(first)}{last}"
