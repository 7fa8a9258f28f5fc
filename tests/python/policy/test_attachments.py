"""attachments.py: which files go with a mail."""

import base64

from pyservice import samples
from pyservice.policy.attachments import UNREAD, allowed_attachments, without_unread_files
from pyservice.policy.sender import FORK, without_strangers_wishes
from pyservice.report.attachments import Attachment
from pyservice.report.facts import Branch, ChangeRequest
from pyservice.report.schema import Mail, Report

FILES = [
    Attachment(name=f"{size}.bin", content=base64.b64encode(bytes(size)).decode())
    for size in (60, 50, 40)
]


def report(*, complete: bool = True) -> Report:
    wanted = Mail.model_validate({"attach": ["*.bin"], "attach_log": True})
    update = {"mail": wanted, "complete": complete, "attachments": FILES if complete else []}
    return samples.load("2-failure").model_copy(update=update)


def test_all_fit() -> None:
    """Files that fit exactly are sent."""
    assert allowed_attachments(report(), 150) == report()


def test_too_large() -> None:
    """A file without room is named with its size and the limit; the next may fit."""
    allowed = allowed_attachments(report(), 1024**2 // 10**4)
    assert [file.name for file in allowed.attachments] == ["60.bin", "40.bin"]
    [named] = allowed.not_attached
    assert (named.name, named.size_bytes) == ("50.bin", 50)
    assert named.reason == "the service sends at most 104 bytes"


def test_none_are_sent() -> None:
    """With 0 not even an empty file is sent."""
    allowed = allowed_attachments(report(), 0)
    assert allowed.attachments == []
    assert {file.reason for file in allowed.not_attached} == {"the service sends none"}


def test_nobody_read_them() -> None:
    """A sandboxed library can't read files, and the answer says so."""
    allowed = without_unread_files(report(complete=False))
    assert (allowed.mail.attach, allowed.mail.attach_log) == ([], False)
    assert allowed.left_out == (("/mail/attach", UNREAD), ("/mail/attach_log", UNREAD))
    stored = Report.parse(allowed.model_dump_json().encode())
    assert (stored.mail, stored.left_out) == (allowed.mail, ())


def test_a_fork() -> None:
    """A change request from a fork sends no files, and the answer says so."""
    branch = Branch(name="PR-1", change_request=ChangeRequest(id="1", from_fork=True))
    build = report().build.model_copy(update={"branch": branch})
    left = without_strangers_wishes(report().model_copy(update={"build": build}))
    assert (left.attachments, left.not_attached) == ([], [])
    assert left.left_out == (("/mail/attach", FORK), ("/mail/attach_log", FORK))
