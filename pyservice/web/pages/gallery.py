"""The gallery: every template with every sample, as small pictures of real mails."""

import asyncio
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pyservice.auth.authenticator import Caller
from pyservice.errors import RequestError, TemplateFault
from pyservice.mail.renderer import DIGEST
from pyservice.preview.source import OWN
from pyservice.samples.stories import (
    FAILED,
    INFRASTRUCTURE,
    PASSED,
    STATES,
    STORIES,
    STORM,
    UNSTABLE,
)
from pyservice.web.dependencies import Service, ServiceDep, Visitor
from pyservice.web.pages.page import page

PAGE = 24
"""Pictures on a page."""
YOURS = "yours"
"""The state of a caller's own samples."""

BADGES = {
    FAILED: "bad",
    UNSTABLE: "warn",
    INFRASTRUCTURE: "info",
    PASSED: "ok",
    STORM: "bad",
}
"""The looks of the states; the others have none of their own."""

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Picture:
    """A mail that the gallery can show."""

    template: str
    source: str
    state: str
    title: str
    about: str = ""

    @property
    def address(self) -> str:
        """The stable link of its page."""
        return preview_path(self.template, self.source)

    def matches(self, words: list[str]) -> bool:
        """Return whether each word is somewhere in what it says."""
        text = " ".join((self.template, self.source, self.state, self.title, self.about)).lower()
        return all(word in text for word in words)


@dataclass(frozen=True)
class Shown:
    """A picture on a page, with the mail that was made for it."""

    picture: Picture
    subject: str
    faults: tuple[TemplateFault, ...] = ()
    error: str = ""
    """Why there is no mail at all; empty: there is one."""


@dataclass(frozen=True)
class Wanted:
    """What the gallery is filtered by; empty: by nothing."""

    q: str = ""
    state: str = ""
    template: str = ""

    def link(self, number: int) -> str:
        """Return the address of a page of it, counted from 1."""
        values = {"q": self.q, "state": self.state, "template": self.template}
        values["page"] = str(number) if number > 1 else ""
        query = urlencode({name: value for name, value in values.items() if value})
        return f"/preview?{query}" if query else "/preview"


def preview_path(template: str, source: str, root: str = "/preview") -> str:
    """Return the address of a source's page with a template, or of another route for the same."""
    return f"{root}/{quote(template)}/{quote(source, safe=':/')}"


@router.get("/preview")
async def get_gallery(
    request: Request,
    service: ServiceDep,
    caller: Visitor,
    q: Annotated[str, Query(max_length=200)] = "",
    state: Annotated[str, Query(max_length=64)] = "",
    template: Annotated[str, Query(max_length=64)] = "",
    number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
) -> Response:
    """Return a page of the pictures that match."""
    return await gallery(request, service, caller, Wanted(q, state, template), number)


async def gallery(
    request: Request,
    service: Service,
    caller: Caller | None,
    wanted: Wanted = Wanted(),
    number: int = 1,
    *,
    opened: str = "",
    error: RequestError | None = None,
) -> Response:
    """Return the gallery.

    Args:
        request: what it answers.
        service: the service.
        caller: who sees it; None: nobody who is known, who sees what we ship.
        wanted: which pictures.
        number: of the page, counted from 1.
        opened: what a person has typed to open it.
        error: why that can't be shown.
    """
    every = await run_in_threadpool(_pictures, service, caller)
    words = wanted.q.lower().split()
    found = [
        one
        for one in every
        if one.matches(words)
        and wanted.state in {"", one.state}
        and wanted.template in {"", one.template}
    ]
    pages = max(1, -(-len(found) // PAGE))
    number = min(number, pages)
    on_page = found[PAGE * (number - 1) : PAGE * number]
    shown = await asyncio.gather(*(_shown(one, service, caller) for one in on_page))
    groups = _groups(shown)
    broken = await run_in_threadpool(service.previews.broken) if caller else {}
    told = {template for template, faults, _ in groups if faults}
    return page(
        request,
        "gallery.html",
        title="Mail previews",
        status=error.status if error else 200,
        wanted=wanted,
        groups=groups,
        broken={name: fault for name, fault in sorted(broken.items()) if name not in told},
        total=len(every),
        found=len(found),
        number=number,
        pages=pages,
        states=[*STATES, YOURS],
        templates=template_names(service, caller),
        is_known=caller is not None,
        opened=opened,
        error=error.detail if error else "",
        badges=BADGES,
        jenkins_url=service.settings.jenkins_url,
    )


def _pictures(service: Service, caller: Caller | None) -> list[Picture]:
    own = service.previews.own_samples.names(caller.name) if caller else []
    return [
        picture
        for template in template_names(service, caller)
        for picture in (
            *(
                Picture(template, story.sample, story.state, story.title, story.about)
                for story in STORIES
                if story.is_digest == (template == DIGEST)
            ),
            *(
                Picture(template, f"{OWN}:{name}", YOURS, f"Your sample {name}")
                for name in own
                if template != DIGEST
            ),
        )
    ]


def template_names(service: Service, caller: Caller | None) -> list[str]:
    """Return the templates that a caller may see; None: those that everybody may."""
    return [
        name for name in service.previews.templates() if caller or service.previews.is_public(name)
    ]


async def _shown(picture: Picture, service: Service, caller: Caller | None) -> Shown:
    try:
        preview = await service.previews.make(picture.template, picture.source, caller)
    except RequestError as error:
        return Shown(picture, picture.title, error=error.detail)
    return Shown(picture, preview.subject, preview.faults)


def _groups(shown: list[Shown]) -> list[tuple[str, list[TemplateFault], list[Shown]]]:
    """Return the pictures of each template, with what is wrong in it, each fault once."""
    groups: dict[str, list[Shown]] = {}
    for one in shown:
        groups.setdefault(one.picture.template, []).append(one)
    return [
        (template, list(dict.fromkeys(fault for one in some for fault in one.faults)), some)
        for template, some in groups.items()
    ]
