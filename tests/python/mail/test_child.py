"""child.py: processes that make mails beside the first one."""

import os

import pytest

from pyservice.mail import child


@pytest.mark.parametrize("niceness", [0, 5])
def test_niceness(niceness: int) -> None:
    """A process stands back behind the first one as far as it is told to."""
    process, connection = child.start("pyservice.mail.template_process", niceness=niceness)
    try:
        own = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(19, own + niceness)
    finally:
        connection.close()
        process.kill()
        process.wait()
