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
def visiting(url: str) -> Iterator[Database | None]:
    """The outbox as a guest; None: there is none yet.

    Raises:
        SetupError: it can't be used.
    """
    database = Database.guest(url)
    try:
        yield database
    except SQLAlchemyError as error:
        raise SetupError(f"The outbox {name(url)} can't be used: {cause(error)}.") from None
    finally:
        if database is not None:
            database.close()


def name(url: str) -> str:
    """An outbox' name for a person: without its password."""
    return make_url(url).render_as_string(hide_password=True)


def waiting(url: str) -> int:
    """How many mails of an outbox Postfix has not got yet.

    Raises:
        SetupError: it can't be read.
    """
    with visiting(url) as database:
        return 0 if database is None else OutboxAdmin(database, "drain").waiting()
