"""Reports of the outbox as a person reads them in a terminal, and as JSON."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pyservice.cli import show
from pyservice.policy.recipients import KINDS

if TYPE_CHECKING:
    from pyservice.outbox.search import Summary

ID_LENGTH = 8
"""Characters of an ID in a table."""


def summary_json(report: "Summary") -> dict[str, Any]:
    """Return a report in short, with its times in ISO 8601."""
    from pyservice.outbox.export import iso_time  # noqa: PLC0415 - it loads SQLAlchemy

    return {
        **vars(report),
        "created_at": iso_time(report.created_at),
        "next_attempt_at": iso_time(report.next_attempt_at),
    }


def table_row(report: "Summary") -> tuple[str, ...]:
    """Return a report in short, as a row of a table."""
    return (
        report.id[:ID_LENGTH],
        report.state,
        f"{report.job} #{report.number}",
        _local_time(report.created_at),
        str(report.attempts),
        "now" if report.is_locked else _local_time(report.next_attempt_at),
        report.error or "",
    )


def _local_time(at: float | str | None) -> str:
    """Return a time, in seconds since the epoch or in ISO 8601, by this machine's clock."""
    if at is None:
        return ""
    time = datetime.fromisoformat(at) if isinstance(at, str) else datetime.fromtimestamp(at, UTC)
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}"


def print_report(report: dict[str, Any]) -> None:
    """Print all that is known of a report, given as it is exported."""
    build = report["report"]["build"]
    recipients = report["recipients"]
    boxes = [box["address"] for kind in KINDS for box in recipients[kind]]
    left_out = [box["address"] for box in recipients.get("left_out", ())]
    facts: dict[str, str | None] = {
        "ID": report["id"],
        "State": report["state"],
        "Build": f"{build['job']} #{build['number']}, {build['result']}",
        "Recipients": ", ".join(dict.fromkeys(boxes)),
        "Left out": ", ".join(left_out) or None,
        "Rerouted to": report["rerouted_to"],
        "Pending": ", ".join(report["pending_recipients"]) or None,
        "Accepted": f"{_local_time(report['created_at'])}, from token {report['owner']}",
        "Ended": _local_time(report["ended_at"]) or None,
        "Attempts": str(report["attempts"]),
        "Due": _local_time(report["next_attempt_at"]) or None,
        "Locked by": report["locked_by"],
        "Message-ID": report["message_id"],
        "Queue ID": report["queue_id"],
        "Digest": report["digest_id"],
        "Error": report["error"],
    }
    show.facts(facts)
    show.entries("History", map(_history_line, report["history"]))
    show.entries("Receipts", map(_receipt_line, report["receipts"]))
    for said in report["dialogues"]:
        lines = [
            f"{seconds:.3f} s {who}{': ' if who else ''}{text}"
            for who, text, seconds in said["lines"]
        ]
        show.entries(f"Attempt {said['attempt']}", lines)


def _history_line(event: dict[str, Any]) -> str:
    return f"{_local_time(event['at'])} {event['state']} {event['note']}".rstrip()


def _receipt_line(receipt: dict[str, Any]) -> str:
    at, after, before = map(
        _local_time, (receipt["at"], receipt["next_attempt_after"], receipt["next_attempt_before"])
    )
    line = f"{at} {receipt['state']} {receipt['recipient']}: {receipt['reply']}".rstrip()
    return f"{line}; next try between {after} and {before}" if after else line
