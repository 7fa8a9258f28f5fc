"""Which files of a report go with its mail: pure functions."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the report's models take a while to import
    from pyservice.report.schema import Report

UNREAD = (
    "only a trusted Pipeline library reads the build's artifacts and its log for the mail, or the "
    "service by a token that is bound to the controller and to the job"
)


def allowed_attachments(report: "Report", most: int) -> "Report":
    """Return a report with the attachments that fit; those that don't are named in its mail.

    Args:
        report: as it was sent.
        most: bytes of all files together.
    """
    kept, others, room = [], list(report.not_attached), most
    reason = f"the service sends at most {_size(most)}" if most else "the service sends none"
    for file in report.attachments:
        if file.size_bytes <= room and most:
            kept.append(file)
            room -= file.size_bytes
        else:
            others.append(file.left_out(reason))
    if len(kept) == len(report.attachments):
        return report
    return report.model_copy(update={"attachments": kept, "not_attached": others})


def without_unread_files(report: "Report") -> "Report":
    """Return a report without the author's wish for files, which nobody reads."""
    if report.complete or report.attachments:
        return report
    return report.without_wishes(("attach", "attach_log"), UNREAD)


def _size(size: int) -> str:
    return f"{size / 1024**2:.3g} MiB" if size >= 1024**2 else f"{size} bytes"
