"""A disk so small that a test can fill it."""

from contextlib import suppress
from pathlib import Path

from tests.testbed.network import Testbed
from tests.testbed.waiting import until

CHUNK = 4096


class SmallDisk:
    """A tmpfs in a mount namespace of its own; it goes with the first node's processes."""

    def __init__(self, testbed: Testbed, size: str = "8m") -> None:
        """Make it.

        Args:
            testbed: on its first node.
            size: as mount has it.
        """
        self.folder = testbed.folder / "disk"
        """Where those see it who are started by `by`."""
        self.folder.mkdir(exist_ok=True)
        mount = f"mount -t tmpfs -o size={size} none {self.folder} && exec sleep infinity"
        holder = testbed.node.start("sh", "-c", mount, log=testbed.folder / "disk.log")
        self.by = ("nsenter", "-t", str(holder.pid), "-m", "--")
        """A command that starts the one after it so that it sees the disk."""
        self.seen = Path(f"/proc/{holder.pid}/root{self.folder}")
        """The folder, for everybody else."""
        self._filler = self.seen / "filler"
        until(self.seen.is_mount, "the disk is mounted")

    def fill(self) -> None:
        """Leave no byte."""
        with self._filler.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(CHUNK))

    def clear(self) -> None:
        """Let there be room again."""
        self._filler.unlink()
