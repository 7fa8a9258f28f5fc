"""The key with which the service signs its browsers' sessions and the links that it hands out."""

import secrets
from functools import cached_property

import sqlalchemy as sa

from pyservice.outbox.database import Database
from pyservice.outbox.tables import keys

_NAME = "signing"
_mine = sa.select(keys.c.value).where(keys.c.name == _NAME)


class SigningKey:
    """The key of an outbox: made at first use, and the same for all its services. Thread-safe.

    It is in the outbox, so that sessions outlive a restart, and services that share an outbox take
    each other's. Whoever can read the outbox can read all mails without it, too.
    """

    def __init__(self, database: Database) -> None:
        """Read nothing yet."""
        self._database = database

    def __call__(self) -> str:
        """Return the key: 256 random bits, in hexadecimal."""
        return self._value

    @cached_property
    def _value(self) -> str:
        with self._database.read() as read:
            known = read.execute(_mine).scalar()
        return known if known is not None else self._database.write(self._make)

    def _make(self, write: sa.Connection) -> str:
        values = {"name": _NAME, "value": secrets.token_hex(32)}
        write.execute(self._database.insert_if_new(keys), values)
        return str(write.execute(_mine).scalar_one())
