"""Two mails side by side, and what differs: of two templates, two builds, or before and after."""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pyservice.mail.renderer import BUILT_IN
from pyservice.preview.difference import Difference, compare
from pyservice.web.dependencies import ServiceDep, Viewer
from pyservice.web.pages.gallery import preview_path
from pyservice.web.pages.page import page
from pyservice.web.pages.studio import rendering, source_names
from pyservice.web.pages.studio_view import Shown

router = APIRouter(include_in_schema=False)

Name = Annotated[str, Query(max_length=2000)]


@dataclass(frozen=True)
class Side:
    """One of the two mails."""

    name: str
    """`left` or `right`."""
    template: str
    source: str
    shown: Shown

    @property
    def path(self) -> str:
        """The address of its own page."""
        return preview_path(self.template, self.source)


@router.get("/compare")
async def get_comparison(
    request: Request,
    service: ServiceDep,
    caller: Viewer,
    left_source: Name,
    right_source: Name,
    left_template: Name = BUILT_IN,
    right_template: Name = BUILT_IN,
) -> Response:
    """Return the page of two mails; each may be the one that was sent, `sent:ID`."""
    wanted = (("left", left_template, left_source), ("right", right_template, right_source))
    previews = await asyncio.gather(
        *(service.previews.make(template, source, caller) for _, template, source in wanted)
    )
    sides = [Side(*names, Shown(preview)) for names, preview in zip(wanted, previews, strict=True)]
    sources = await run_in_threadpool(source_names, service, caller, right_template)

    def answer() -> Response:
        return page(
            request,
            "compare.html",
            title="Compare two mails",
            sides=sides,
            differences=_differences(sides[0].shown, sides[1].shown),
            templates=service.previews.templates(),
            sources=sources,
            address=f"{request.url.path}?{request.url.query}",
        )

    return await rendering.run(answer)


def _differences(left: Shown, right: Shown) -> list[tuple[str, Difference]]:
    return [
        ("Headers", compare(left.headers, right.headers)),
        ("Text", compare(left.text, right.text)),
        ("HTML", compare(left.html, right.html)),
    ]
