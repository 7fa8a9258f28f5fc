"""How the commands reach the outbox while its service may be running."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from pyservice.config.sources import PREFIX
from pyservice.errors import SetupError
from pyservice.outbox.admin import OutboxAdmin
from pyservice.outbox.database import Database
from pyservice.outbox.engines import cause


@contextmanager
def open_outbox(url: str) -> Iterator[Database]:
    """Open the outbox beside its service.

    Raises:
        SetupError: there is no outbox, or it can't be used.
    """
    database = Database.guest(url)
    if database is None:
        raise SetupError(
            f"There is no outbox {printable_url(url)} yet. Run this as the service's user and "
            f"with its settings: {PREFIX}DATABASE_URL, or --config."
        )
    try:
        yield database
    except SQLAlchemyError as error:
        raise SetupError(
            f"The outbox {printable_url(url)} can't be used: {cause(error)}."
        ) from None
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
