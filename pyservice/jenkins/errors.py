"""What can go wrong between us and Jenkins, in words for an administrator.

SetupError
├── UnreachableError             Jenkins does not answer, or not yet: it may do so later
│   └── UnknownHostError  no name server knows Jenkins' host: the URL is wrong, or DNS is away
├── RedirectError         Jenkins leads to another address, to which no token is sent
├── TooLargeError         Jenkins' answer is larger than what is read
└── MissingPageError      Jenkins has no such page, or does not show it to this user
"""

from pyservice.errors import SetupError


class UnreachableError(SetupError):
    """Jenkins does not answer, or not yet: it may do so later."""


class UnknownHostError(UnreachableError):
    """Jenkins' host has no address."""


class RedirectError(SetupError):
    """Jenkins leads to another address.

    Args:
        message: what happened and what to do, for an administrator.
        location: the address, as Jenkins wrote it.
    """

    def __init__(self, message: str, location: str) -> None:
        super().__init__(message)
        self.location = location


class TooLargeError(SetupError):
    """Jenkins' answer is larger than what is read."""


class MissingPageError(SetupError):
    """Jenkins answers 404."""
