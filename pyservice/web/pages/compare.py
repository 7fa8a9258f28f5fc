"""Two mails side by side, and what differs: of two templates, two builds, or before and after."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pyservice.mail.renderer import BUILT_IN
from pyservice.preview.difference import Difference, compare
from pyservice.preview.template_source import state_of
from pyservice.web.dependencies import ServiceDep, Viewer
from pyservice.web.pages.gallery import preview_path
from pyservice.web.pages.page import fragment, page
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
    part: str = "",
    seen: str = "",
) -> Response:
    """Return the page of two mails; each may be the one that was sent, `sent:ID`.

    `part=compared` is what follows the templates, alone for htmx, unless the page has `seen` it.
    """
    wanted = (("left", left_template, left_source), ("right", right_template, right_source))
    version = ""
    for _, template, _ in wanted:
        service.previews.require(template)  # before its folder is read
        # First the states: what is saved meanwhile must differ from them.
        version += await rendering.run(state_of, service.settings.templates_dir, template)
    is_update = part == "compared"
    if is_update and version == seen:
        return Response(status_code=204)
    previews = await asyncio.gather(
        *(service.previews.make(template, source, caller) for _, template, source in wanted)
    )
    sides = [Side(*side, Shown(preview)) for side, preview in zip(wanted, previews, strict=True)]
    names = (
        [] if is_update else await run_in_threadpool(source_names, service, caller, right_template)
    )

    def answer() -> Response:
        compared: dict[str, Any] = {
            "sides": sides,
            "differences": _differences(sides[0].shown, sides[1].shown),
            "seen": version,
        }
        if is_update:
            return fragment(request, "_compared.html", **compared)
        return page(
            request,
            "compare.html",
            title="Compare two mails",
            templates=service.previews.templates(),
            sources=names,
            address=f"{request.url.path}?{request.url.query}",
            **compared,
        )

    return await rendering.run(answer)


def _differences(left: Shown, right: Shown) -> list[tuple[str, Difference]]:
    return [
        ("Headers", compare(left.headers, right.headers)),
        ("Text", compare(left.text, right.text)),
        ("HTML", compare(left.html, right.html)),
    ]
