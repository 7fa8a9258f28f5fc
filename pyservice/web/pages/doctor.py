"""The doctor's page: what is wrong with this node, and what cures it."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from pyservice.auth.authenticator import Caller
from pyservice.auth.tokens import LOCAL
from pyservice.errors import PolicyError
from pyservice.web.dependencies import ServiceDep, Viewer
from pyservice.web.pages.outbox import live_fragment, part_version
from pyservice.web.pages.page import page

router = APIRouter(include_in_schema=False)


@router.get("/doctor")
def get_doctor(
    request: Request, service: ServiceDep, caller: Viewer, part: str = "", seen: str = ""
) -> Response:
    """Return the last examination; it begins none. `part=run` is what changes, alone for htmx."""
    may_examine = is_operator(caller)
    run = service.examiner.last if may_examine else None
    if part == "run":
        return live_fragment(request, "_doctor_run.html", seen, run=run)
    return page(
        request,
        "doctor.html",
        title="Doctor",
        may_examine=may_examine,
        run=run,
        seen=part_version(request, "_doctor_run.html", run=run),
    )


@router.post("/doctor")
def examine(service: ServiceDep, caller: Viewer) -> Response:
    """Begin an examination, and lead to the page that shows it."""
    if not is_operator(caller):
        raise PolicyError(
            "This token may not examine the node: only one that may `operate` can, since the "
            "result shows Postfix' configuration."
        )
    service.examiner.start(service.settings, caller.name)
    return RedirectResponse("/doctor", 303)


def is_operator(caller: Caller) -> bool:
    """Return whether a caller sees what concerns the whole node."""
    return caller.name == LOCAL or "operate" in caller.permissions.may
