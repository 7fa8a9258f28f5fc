"""How the commands reach the outbox while its service may be running."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from pyservice.errors import SetupError
from pyservice.outbox.admin import OutboxAdmin
from pyservice.outbox.database import Database
from pyservice.outbox.engines import cause


@contextmanager
def open_outbox(url: str) -> Iterator[Database | None]:
    """Open the outbox beside its service; None: there is none yet.

    Raises:
        SetupError: the outbox can't be used.
    """
    database = Database.guest(url)
    try:
        yield database
    except SQLAlchemyError as error:
        raise SetupError(
            f"The outbox {printable_url(url)} can't be used: {cause(error)}."
        ) from None
    finally:
        if database is not None:
            database.close()


def printable_url(url: str) -> str:
    """Return an outbox' URL without its password."""
    return make_url(url).render_as_string(hide_password=True)


def count_waiting(url: str) -> int:
    """Return how many mails of an outbox Postfix has not got yet.

    Raises:
        SetupError: the outbox can't be read.
    """
    with open_outbox(url) as database:
        return 0 if database is None else OutboxAdmin(database, "drain").waiting()
