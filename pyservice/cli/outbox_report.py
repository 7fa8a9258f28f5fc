"""Reports of the outbox as a person reads them in a terminal, and as JSON."""

from datetime import datetime
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


def _local_time(seconds: float | None) -> str:
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}"


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
        "Accepted": f"{report['created_at']}, from token {report['owner']}",
        "Ended": report["ended_at"],
        "Attempts": str(report["attempts"]),
        "Due": report["next_attempt_at"],
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
        lines = [f"{seconds:.3f} s {who or '-'}: {text}" for who, text, seconds in said["lines"]]
        show.entries(f"Attempt {said['attempt']}", lines)


def _history_line(event: dict[str, Any]) -> str:
    return f"{event['at']} {event['state']} {event['note']}".rstrip()


def _receipt_line(receipt: dict[str, Any]) -> str:
    line = f"{receipt['at']} {receipt['state']} {receipt['recipient']}: {receipt['reply']}".rstrip()
    after, before = receipt["next_attempt_after"], receipt["next_attempt_before"]
    return f"{line}; next try between {after} and {before}" if after else line
