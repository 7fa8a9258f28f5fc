"""Where in a template's files a finding comes from."""

import re
from collections.abc import Mapping
from dataclasses import replace

from pyservice.mail_checks.finding import Finding

_PARTS = {"html": (".html", ".css"), "text": (".txt",), "headers": ("subject.txt",)}


def with_origin(finding: Finding, files: Mapping[str, str]) -> Finding:
    """Return a finding with the file and line that has its excerpt, if there is just one.

    A style that stands inline in the mail may be a rule in the template, in other words of CSS.
    """
    if not finding.excerpt:
        return finding
    pattern = _pattern(finding.excerpt)
    endings = _PARTS.get(finding.part, (".html",))
    found = [
        (name, number)
        for name, text in files.items()
        if name.endswith(endings)
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    if len(found) != 1:
        return finding
    [(name, number)] = found
    return replace(finding, file=name, file_line=number)


def _pattern(excerpt: str) -> re.Pattern[str]:
    """Return a pattern that finds an excerpt however its blanks are written."""
    words = [re.escape(word) for word in excerpt.replace(":", ": ").split()]
    end = r"(?![\w-])" if excerpt[-1:].isalnum() else ""
    return re.compile(r"\s*".join(words) + end, re.IGNORECASE)
