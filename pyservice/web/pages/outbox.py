"""The operators' desk: the mails of the outbox by state, job, recipient and time, live."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from pyservice.auth.authenticator import Caller
from pyservice.errors import ConflictError, InvalidError, NotFoundError
from pyservice.outbox.search import Filter
from pyservice.outbox.states import WAITING, State
from pyservice.web.dependencies import Changer, Service, ServiceDep, Viewer
from pyservice.web.pages.page import fragment, page

PAGE = 50
"""Mails on a page."""
MAX_CHANGED = 500
"""Mails that one click retries or cancels: each has a commit of its own."""
MAX_LENGTH = 300
"""Characters of a filter."""

GROUPS: dict[str, tuple[str, tuple[State, ...]]] = {
    "waiting": ("Waiting", WAITING),
    "postfix": ("With Postfix", (State.ACCEPTED,)),
    "delivered": ("Delivered", (State.RELAYED,)),
    "trouble": ("Not well", (State.FAILED, State.BOUNCED, State.DEFERRED)),
    "other": ("Not sent", (State.DIGESTED, State.SKIPPED, State.CANCELLED)),
}
"""The states by what they mean for an operator: by the name in the address, a title and states."""
AGES = {"1h": ("hour", 3600), "1d": ("24 hours", 86400), "7d": ("7 days", 7 * 86400)}
"""Times that can be chosen: by the name in the address, in words and in seconds."""

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Wanted:
    """What a person wants to see: the parameters of the address, so that it can be shared."""

    show: str = ""
    """One of GROUPS, or a state; empty: all."""
    q: str = ""
    job: str = ""
    to: str = ""
    """A part of a recipient's address."""
    age: str = ""
    """One of AGES."""

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Wanted":
        """Return what an address or a form says, without what can't be."""
        texts = {
            name: str(values.get(name, ""))[:MAX_LENGTH].strip() for name in cls.__annotations__
        }
        known = {"show": {*GROUPS, *map(str, State)}, "age": {*AGES}}
        return cls(**{k: v for k, v in texts.items() if k not in known or v in known[k]})

    def filter(self, caller: Caller, *, states: tuple[str, ...] | None = None) -> Filter:
        """Return the filter, within what a caller may see.

        Args:
            caller: who wants to see it.
            states: in place of those that are wanted.
        """
        if states is None:
            states = (
                GROUPS[self.show][1] if self.show in GROUPS else tuple(filter(None, [self.show]))
            )
        return Filter(
            owner=caller.owner_filter,
            jobs=caller.permissions.jobs,
            states=states,
            job=self.job,
            recipient=self.to,
            text=self.q,
            newer_than=AGES[self.age][1] if self.age else None,
        )

    def address(self, **changed: str) -> str:
        """Return the address of this list, with some parameters changed."""
        values = {name: value for name, value in (vars(self) | changed).items() if value}
        return f"/outbox?{urlencode(values)}" if values else "/outbox"

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves out mails by more than their state."""
        return any((self.q, self.job, self.to, self.age))


@router.get("/outbox")
def get_outbox(
    request: Request,
    service: ServiceDep,
    caller: Viewer,
    after: Annotated[str, Query(max_length=100)] = "",
    part: str = "",
    seen: str = "",
    retried: int = 0,
    cancelled: int = 0,
    left: int = 0,
) -> Response:
    """Return the list; `part=list` alone for htmx, unless it is as the page has `seen` it."""
    wanted = Wanted.read(request.query_params)
    shown = _list(service, caller, wanted, after)
    if part == "list":
        return live_fragment(request, "_mails.html", seen, **shown)
    return page(
        request,
        "outbox.html",
        title="Outbox",
        settings=service.settings,
        ages=AGES,
        states=[str(state) for state in State],
        may_change=may_change(caller),
        retried=retried,
        cancelled=cancelled,
        left=left,
        seen=part_version(request, "_mails.html", **shown),
        **shown,
    )


@router.post("/outbox/retry")
async def retry_all(request: Request, service: ServiceDep, caller: Changer) -> Response:
    """Retry all failed mails that a filter shows, and return to the list."""
    return await _change_all(request, service, caller, "retried")


@router.post("/outbox/cancel")
async def cancel_all(request: Request, service: ServiceDep, caller: Changer) -> Response:
    """Cancel all waiting mails that a filter shows, and return to the list."""
    return await _change_all(request, service, caller, "cancelled")


def may_change(caller: Caller) -> bool:
    """Return whether a caller may retry and cancel the mails that it sees."""
    return bool({"send", "operate"} & set(caller.permissions.may))


def live_fragment(request: Request, template: str, seen: str, **context: Any) -> Response:
    """Return a part of a page for htmx, or 204 if it is as the page has seen it.

    Args:
        request: htmx'.
        template: of the part; it shows `seen`, so that the next request has it.
        seen: of the part that the page shows.
        context: the template's.
    """
    version = part_version(request, template, **context)
    if version == seen:
        return Response(status_code=204)
    return fragment(request, template, seen=version, **context)


def part_version(request: Request, template: str, **context: Any) -> str:
    """Return what changes with a part of a page, for the page's `seen`."""
    plain = bytes(fragment(request, template, seen="", **context).body)
    return hashlib.sha256(plain).hexdigest()[:16]


def _list(service: Service, caller: Caller, wanted: Wanted, after: str) -> dict[str, Any]:
    """Return the variables of `_mails.html`."""
    admin = service.admin
    try:
        mails = admin.page(wanted.filter(caller), PAGE + 1, after or None)
    except InvalidError:  # it was removed meanwhile
        mails, after = admin.page(wanted.filter(caller), PAGE + 1), ""
    counts = admin.counts(wanted.filter(caller, states=()))
    groups = [
        (name, title, sum(counts.get(state, 0) for state in states))
        for name, (title, states) in GROUPS.items()
    ]
    shown = mails[:PAGE]
    return {
        "mails": shown,
        "addresses": admin.addresses(shown),
        "groups": [("", "All", sum(counts.values())), *groups],
        "is_stuck": State.QUEUED in counts and admin.has_vain_attempts(wanted.filter(caller)),
        "wanted": wanted,
        "after": after,
        "next": shown[-1].id if len(mails) > PAGE else "",
    }


async def _change_all(
    request: Request, service: Service, caller: Caller, done: Literal["retried", "cancelled"]
) -> Response:
    form = await request.form()
    wanted = Wanted.read({name: str(value) for name, value in form.items()})
    changed, left = await run_in_threadpool(_change_mails, service, caller, wanted, done)
    return RedirectResponse(wanted.address(**{done: str(changed), "left": str(left)}), 303)


def _change_mails(service: Service, caller: Caller, wanted: Wanted, done: str) -> tuple[int, int]:
    """Return how many mails were changed, and how many of their states are left."""
    states, change = {
        "retried": ((State.FAILED,), service.retry),
        "cancelled": (WAITING, service.cancel),
    }[done]
    which = wanted.filter(caller, states=states)
    changed = 0
    for mail in service.admin.page(which, MAX_CHANGED):
        try:
            change(mail.id, caller)
            changed += 1
        except (ConflictError, NotFoundError):
            continue  # somebody else was faster, or it is being sent
    return changed, sum(service.admin.counts(which).values())
