"""How the commands reach the outbox while its service may be running."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from pyservice.errors import SetupError
from pyservice.outbox.admin import OutboxAdmin
from pyservice.outbox.database import Database
from pyservice.outbox.engines import AS_THE_SERVICE, unusable


@contextmanager
def open_outbox(url: str) -> Iterator[Database]:
    """Open the outbox beside its service.

    Raises:
        SetupError: there is no outbox, or it can't be used.
    """
    database = Database.guest(url)
    if database is None:
        raise SetupError(f"There is no outbox {printable_url(url)} yet. {AS_THE_SERVICE}")
    try:
        yield database
    except SQLAlchemyError as error:
        raise unusable(printable_url(url), error) from None
    finally:
        database.close()


def printable_url(url: str) -> str:
    """Return an outbox' URL without its password."""
    return make_url(url).render_as_string(hide_password=True)


def count_waiting(url: str) -> int:
    """Return how many mails of an outbox Postfix has not got yet.

    Raises:
        SetupError: there is no outbox, or it can't be read.
    """
    with open_outbox(url) as database:
        return OutboxAdmin(database, "drain").waiting()
