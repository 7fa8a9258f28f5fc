"""A disk so small that a test can fill it."""

from contextlib import suppress
from pathlib import Path

from tests.testbed.network import Testbed
from tests.testbed.waiting import until

CHUNK = 4096


class SmallDisk:
    """A tmpfs in a mount namespace of its own; it goes with the first node's processes."""

    def __init__(self, testbed: Testbed, size: str = "8m") -> None:
        """Make the disk.

        Args:
            testbed: its first node gets the disk.
            size: as mount writes it.
        """
        self.folder = testbed.folder / "disk"
        """Where the processes see it that `by` starts."""
        self.folder.mkdir(exist_ok=True)
        mount = f"mount -t tmpfs -o size={size} none {self.folder} && exec sleep infinity"
        holder = testbed.node.start("sh", "-c", mount, log=testbed.folder / "disk.log")
        self.by = ("nsenter", "-t", str(holder.pid), "-m", "--")
        """A command that starts another one, which sees the disk."""
        self.seen = Path(f"/proc/{holder.pid}/root{self.folder}")
        """Where all other processes see it."""
        self._filler = self.seen / "filler"
        until(self.seen.is_mount, "the disk is mounted")

    def fill(self) -> None:
        """Fill the disk to the last byte."""
        with self._filler.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(CHUNK))

    def clear(self) -> None:
        """Make room again."""
        self._filler.unlink()
