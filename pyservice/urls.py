"""Whether an address lies below another, and what a job's full name consists of."""

from urllib.parse import SplitResult, unquote, urlsplit

_PORTS = {"http": 80, "https": 443}


def job_names(job: str) -> list[str]:
    """A job's folders and itself; none where it is no full name, and then it is in no folder."""
    names = job.split("/")
    return [] if {"", ".", ".."} & set(names) else names


def is_below(url: str, root: str) -> bool:
    """Whether an address lies below another, to whatever reads it: a browser reads `\\` as `/`."""
    try:
        asked, allowed = urlsplit(url), urlsplit(root)
        if _place(asked) != _place(allowed):
            return False
    except ValueError:
        return False
    is_odd = "\\" in url or "@" in asked.netloc
    is_climbing = {".", ".."} & set(unquote(asked.path).replace("\\", "/").split("/"))
    return not is_odd and not is_climbing and f"{asked.path}/".startswith(f"{allowed.path}/")


def _place(url: SplitResult) -> tuple[str, str | None, int | None]:
    scheme = url.scheme.lower()
    return scheme, url.hostname, url.port or _PORTS.get(scheme)
