"""How to notice that a file has changed."""

import os

FileVersion = tuple[int, int, int]
"""A file's inode, size in bytes, and time of change in nanoseconds."""


def file_version(status: os.stat_result) -> FileVersion:
    """Return what differs once a file has changed.

    The time is the ctime, which also changes when a file becomes readable by its permissions. The
    size counts, too: two writes may fall into one tick of the file system's clock.
    """
    return status.st_ino, status.st_size, status.st_ctime_ns
