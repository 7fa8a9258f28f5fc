"""What applies have changed in a Jenkins, so that `jenkins revert` can take it back.

The controller keeps it in JENKINS_HOME/notify-email.json, beside what was changed: whoever comes
later, from wherever, can take it back. A secret that was replaced is there in Jenkins' own
encryption, and never leaves Jenkins.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from pyservice.setup.jenkins.desired import CREDENTIAL, DesiredJenkins, Settings
from pyservice.setup.jenkins.planner import SECTIONS, JenkinsState, as_text
from pyservice.setup.plan import Change, Plan

Record = dict[str, dict[str, dict[str, Any]]]
"""Section → name → `{before, after}`: before the first apply, and after the last. Of the credential
only `digest` is there; before, it is true if there was a token."""

_WHY = "As it was before the first apply."


def with_apply(state: JenkinsState, written: Settings, desired: DesiredJenkins) -> Record:
    """Return a Jenkins' record with one more apply.

    Args:
        state: before it.
        written: the settings that it writes.
        desired: has the digest of the service's token.
    """
    record = deepcopy(state.record or {})
    for section, values in written.items():
        known = record.setdefault(section, {})
        if section == "credential":
            had_token = bool(state.settings["credential"])
            known.setdefault("digest", {"before": had_token})["after"] = desired.digest
            continue
        for name, after in values.items():
            known.setdefault(name, {"before": state.value(section, name)})["after"] = after
    return record


def plan_revert(state: JenkinsState, place: str) -> tuple[Plan, Settings]:
    """Return what would be taken back, and the settings to write; None: the setting is removed."""
    if state.record is None:
        return Plan(place, notes=("Nothing was applied here, so there is nothing to revert.",)), {}
    settings: Settings = {}
    changes: list[Change] = []
    notes: list[str] = []
    for section, values in state.record.items():
        if section == "credential":
            kept = _credential_kept(state)
        else:
            changed = [name for name in values if _is_changed(state, section, name)]
            kept = _library_kept(state, changed) if section == "library" else None
            notes += [
                f"{SECTIONS[section]}: {name} was changed since, and stays."
                for name in changed
                if kept is None
            ]
        if kept is not None:
            notes.append(kept)
            continue
        for change, name, value in _changes(state, section):
            changes.append(change)
            settings.setdefault(section, {})[name] = value
    if state.casc:
        notes.append(
            f"JCasC configures this Jenkins from {', '.join(state.casc)}: take it out there, too."
        )
    return Plan(place, tuple(changes), notes=tuple(notes)), settings


def _changes(state: JenkinsState, section: str) -> Iterator[tuple[Change, str, Any]]:
    """Yield what is still as the last apply left it, and was otherwise before the first."""
    values = (state.record or {})[section]
    if section == "credential":
        if state.settings["credential"]:
            before = values["digest"]["before"]
            old = "the token before it" if before else None
            what = f"{SECTIONS[section]}: {CREDENTIAL}"
            yield Change(what, "the token of the last apply", old, _WHY), "isRestored", before
        return
    for name, value in values.items():
        current, before = state.value(section, name), value["before"]
        if current != before and current == value["after"]:
            what = f"{SECTIONS[section]}: {name}"
            yield Change(what, as_text(current), as_text(before), _WHY), name, before


def _is_changed(state: JenkinsState, section: str, name: str) -> bool:
    """Return whether a setting is neither as the last apply left it nor as before the first."""
    value = (state.record or {})[section][name]
    return state.value(section, name) not in (value["before"], value["after"])


def _credential_kept(state: JenkinsState) -> str | None:
    """Return why the credential stays as it is; None: it can be taken back."""
    if state.settings["credential"] and not state.value("credential", "isWanted"):
        return f"The token of {CREDENTIAL} was changed since, and stays."
    return None


def _library_kept(state: JenkinsState, changed: list[str]) -> str | None:
    """Return why the library stays as it is; None: it can be taken back.

    A library that apply has made is removed as a whole, so nobody may have changed it since.
    """
    values = (state.record or {})["library"]
    had_library = any(value["before"] is not None for value in values.values())
    if "remote" not in values or values["remote"]["before"] is not None:
        return None
    if had_library:
        return "The library notify-email came from no Git repository before: set it by hand."
    if changed:
        return f"The library notify-email was changed since ({', '.join(changed)}), and stays."
    return None
