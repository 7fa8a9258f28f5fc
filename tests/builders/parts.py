"""Parts of reports, with defaults for all that a test doesn't care about."""

from typing import Any

from pyservice.report.schema import Report

Json = dict[str, Any]
HOUR = 3_600_000


def report(**members: Any) -> Report:
    """Return a report of build 44, which failed; members replace or add."""
    build = {"job": "shop/checkout", "number": 44, "result": "FAILURE", "started_at": 100 * HOUR}
    changed = members.pop("build", {})
    return Report.model_validate({"build": build | {"duration_ms": 0} | changed} | members)


def past(number: int, result: str | None, hours: float = 0, **members: Any) -> Json:
    """Return an earlier build, which ended so many hours before build 44."""
    at = int((100 - hours) * HOUR)
    return {"number": number, "result": result, "started_at": at, "duration_ms": 0} | members


def history(*builds: Json, success: Json | None = None) -> Json:
    """Return a history, the newest build first."""
    return {"builds": list(builds), "last_success": success}


def step(function: str = "sh", log: str = "", **members: Any) -> Json:
    """Return an error of a step whose command failed; members replace or add."""
    own = {"function": function, "log": log, "id": "16", "place": ["Build"]}
    return {
        "type": "hudson.AbortException",
        "message": "script returned exit code 1",
        "step": own | members,
    }


def failing(name: str = "totals", class_name: str = "shop.LedgerTest", **members: Any) -> Json:
    """Return a failing test."""
    return {"name": name, "class_name": class_name} | members


def counts(*failures: Json, **members: Any) -> Json:
    """Return tests, of which these fail."""
    return {"total": 50, "failed": len(failures), "failures": list(failures)} | members


def change(path: str, commit: str = "8ed0cf87aa11", author: str = "Cy") -> Json:
    """Return a change that edits a file."""
    file = {"path": path, "edit": "edit"}
    return {"id": commit, "author": author, "message": "Round", "paths": [path], "files": [file]}


def changes(*items: Json) -> Json:
    """Return changes."""
    return {"total": len(items), "items": list(items)}
