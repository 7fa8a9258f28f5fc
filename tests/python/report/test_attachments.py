"""attachments.py: the files in a report, their sizes, and the secrets in a log."""

import base64

import pytest

from pyservice import samples
from pyservice.errors import InvalidError
from pyservice.report.attachments import Attachment
from pyservice.report.readable import readable
from pyservice.report.schema import Report
from pyservice.report.secrets import SecretMasker

REPORT = samples.load("2-failure")


def attached(content: bytes, *, is_log: bool = False) -> Attachment:
    return Attachment(name="a", content=base64.b64encode(content).decode(), is_log=is_log)


@pytest.mark.parametrize("size", range(7))
def test_size(size: int) -> None:
    """The size is the file's, not its base64's."""
    assert attached(b"x" * size).size_bytes == size


@pytest.mark.parametrize("content", ["a", "YQ", "YQ==\n", "ü", "YQ==YQ==", "Y Q="])
def test_no_base64(content: str) -> None:
    """A file that is no base64 is left out, and the report is not; the answer names it."""
    value = REPORT.model_dump_json(exclude={"attachments"})[:-1]
    file = Attachment.model_construct(name="a", content=content, is_log=False)
    report = Report.parse(f'{value},"attachments":[{file.model_dump_json()}]}}'.encode())
    assert report.attachments == []
    [(pointer, reason)] = report.left_out
    assert pointer == "/attachments/0"
    assert "base64" in reason


def test_a_misspelt_member() -> None:
    """It is the caller's mistake, as anywhere in a report."""
    value = REPORT.model_dump_json(exclude={"attachments"})[:-1]
    with pytest.raises(InvalidError):
        Report.parse(f'{value},"attachments":[{{"name":"a","contents":""}}]}}'.encode())


def test_secrets_in_a_log() -> None:
    """The log is masked like any text; an artifact's bytes are nobody's to change."""
    text = "+ deploy\nDB_PASSWORD=hunter2\nüber\n".encode()
    files = [attached(text), attached(text, is_log=True), attached(b"\xff", is_log=True)]
    report = SecretMasker().mask(REPORT.model_copy(update={"attachments": files}))
    artifact, log, odd = report.attachments
    assert artifact == files[0]
    assert log.text == "+ deploy\nDB_PASSWORD=****\nüber\n"
    assert log.name == "a"
    assert odd == files[2]
    assert report.masked == 1


def test_files_are_not_read() -> None:
    """What people read has no files; what was not attached is named with its reason."""
    report = REPORT.model_copy(update={"attachments": [attached(b"abc")]})
    assert readable(report).attachments == []
    [named] = report.without_files("no room").not_attached
    assert (named.name, named.size_bytes, named.reason) == ("a", 3, "no room")
