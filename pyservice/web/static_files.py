"""The files that pages load: style sheet and scripts, under addresses that change with them."""

import hashlib
from functools import cache
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

from pyservice.errors import NotFoundError

FOLDER = Path(__file__).parent / "static"
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""What is served; licences beside the scripts are not."""
_FOR_EVER = "public, max-age=31536000, immutable"

router = APIRouter(include_in_schema=False)


def static_url(name: str) -> str:
    """Return the address of a file of `static/`, in which its version is.

    Raises:
        FileNotFoundError: there is none. Those below `vendor/` are made by the build.
    """
    if name not in _files():
        raise FileNotFoundError(
            f"{FOLDER / name} is missing. `make setup` fetches what pages load and git ignores."
        )
    return f"/static/{_version()}/{name}"


@router.get("/static/{version}/{name:path}")
async def get_static(version: str, name: str) -> Response:
    """Return a file. A browser keeps it for ever, unless a page of an older version wants it."""
    content = _files().get(name)
    if content is None:
        raise NotFoundError
    keep = _FOR_EVER if version == _version() else "no-cache"
    return Response(
        content,
        media_type=MEDIA_TYPES[Path(name).suffix],
        headers={"Cache-Control": keep, "X-Content-Type-Options": "nosniff"},
    )


@cache
def _files() -> dict[str, bytes]:
    """Return all files by their names: under 100 KB, so they stay in memory."""
    return {
        path.relative_to(FOLDER).as_posix(): path.read_bytes()
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in MEDIA_TYPES
    }


@cache
def _version() -> str:
    digest = hashlib.sha256()
    for name, content in _files().items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]
