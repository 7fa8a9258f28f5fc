"""Whether a screen reader can tell tables of the layout from tables of data."""

from collections.abc import Iterator

from pyservice.mail_checks.finding import Finding
from pyservice.mail_checks.parsed import Element, ParsedMail

NO_TABLE = frozenset({"presentation", "none"})


def check(mail: ParsedMail) -> Iterator[Finding]:
    """Check the role and the heads of each table."""
    for table in mail.all("table"):
        heads = [cell for cell in _cells(table) if cell.tag == "th"]
        if table.get("role") in NO_TABLE:
            if heads:
                yield heads[0].finding(
                    "warning",
                    'A table for layout (role="presentation") has a <th>, which says it has data.',
                    "Use <td> there, or leave out the role if the table has data.",
                )
        elif not heads:
            yield table.finding(
                "warning",
                "A screen reader reads this table out as one with data, cell by cell.",
                'Give it role="presentation" if it is for layout; if it has data, make the heads '
                'of its columns <th scope="col"> and of its rows <th scope="row">.',
                "<table",
            )
        for head in heads:
            if table.get("role") not in NO_TABLE and head.get("scope") not in {"row", "col"}:
                yield head.finding(
                    "warning",
                    "A <th> has no `scope`, so a screen reader does not know what it heads.",
                    'Write <th scope="row"> or <th scope="col">.',
                )


def _cells(table: Element) -> Iterator[Element]:
    """Return the cells of a table itself, and not of those in it."""
    for child in table:
        if isinstance(child, Element):
            if child.tag in {"td", "th"}:
                yield child
            elif child.tag in {"tbody", "thead", "tfoot", "tr"}:
                yield from _cells(child)
