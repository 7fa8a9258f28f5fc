"""URLs below others, and the parts of a job's full name."""

from urllib.parse import SplitResult, unquote, urlsplit

_PORTS = {"http": 80, "https": 443}


def job_names(job: str) -> list[str]:
    """Return the names of a job's folders and its own; empty: it is no full name."""
    names = job.split("/")
    return [] if {"", ".", ".."} & set(names) else names


def is_below(url: str, root: str) -> bool:
    """Whether a URL is below another for every program; a browser reads `\\` as `/`."""
    try:
        parts, allowed = urlsplit(url), urlsplit(root)
        if _origin(parts) != _origin(allowed):
            return False
    except ValueError:
        return False
    is_odd = "\\" in url or "@" in parts.netloc
    is_climbing = {".", ".."} & set(unquote(parts.path).replace("\\", "/").split("/"))
    return not is_odd and not is_climbing and f"{parts.path}/".startswith(f"{allowed.path}/")


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    scheme = url.scheme.lower()
    return scheme, url.hostname, url.port or _PORTS.get(scheme)
