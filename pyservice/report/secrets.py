"""Masks the secrets in a report's texts before the report is stored: a mail has many readers.

All texts are searched at once: one pass of RE2 says which patterns match at all, and mostly none
does. The time grows with the text only.
"""

import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import accumulate, chain
from operator import is_
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel

from pyservice.report.attachments import Attachment
from pyservice.report.schema import Report
from pyservice.report.secret_patterns import Pattern, own_pattern, standard_patterns

MASK = "****"
"""What Jenkins writes for a secret, too."""
MAX_MASKED = 5000
"""Secrets that are masked one by one; all texts after them are masked."""
_MAX_MEMORY = 64 * 1024**2
"""Bytes that RE2 may use to search for all patterns at once."""
_KEPT = frozenset(
    (
        *("Build.job", "Build.url", "Upstream.job", "Upstream.url"),
        *("Mail.to", "Mail.cc", "Mail.bcc", "Mail.reply_to", "Mail.sender", "Mail.template"),
        *("Person.email", "Change.author_email", "Attachment.content"),
    )
)
"""The members that say which build it is and whom its mail reaches, and the files' bytes."""
_LINE_END, _TEXT_END = "\n", "\n\0\n"
_LINK_END = re.compile(rb"[\s\"'<>?\0]|$")

Span = tuple[int, int]
"""The first byte of something, and the one behind its last."""
Change = Callable[[list[str]], list[str]]
_Value = TypeVar("_Value")


class SecretMasker:
    """Masks secrets. Thread-safe."""

    def __init__(self, own: Sequence[str] = ()) -> None:
        """Load nothing yet: that takes 0.1 s.

        Args:
            own: the administrator's patterns, as the setting has them.
        """
        self._lock = threading.Lock()
        self._standard: list[Pattern] = []
        self._search: _Search | None = None
        self.use(own)

    def use(self, own: Sequence[str]) -> None:
        """Use these patterns of the administrator, beside the standard ones, from now on."""
        with self._lock:
            self._own, self._search = tuple(own), None

    @property
    def is_loaded(self) -> bool:
        """Whether `mask` can begin at once."""
        return self._search is not None

    def load(self) -> "_Search":
        """Load the patterns, unless they are loaded, and return the search for them."""
        with self._lock:
            if self._search is None:
                self._standard = self._standard or standard_patterns()
                self._search = _Search([*self._standard, *map(own_pattern, self._own)])
            return self._search

    def mask(self, report: Report) -> Report:
        """Return a report without secrets; its `masked` says how many there were."""
        texts = _Texts(report)
        spans = self.load().find(texts.content)
        if spans and report.build.url:
            spans = _without_links(spans, texts.content, report.build.url.encode())
        if spans:
            spans = _merged(spans)
            report = texts.masked(report, spans)
        count = len({texts.content[start:end] for start, end in spans})
        return report if report.masked == count else report.model_copy(update={"masked": count})


class _Search:
    """The search for all patterns at once."""

    def __init__(self, patterns: list[Pattern]) -> None:
        import re2  # noqa: PLC0415 - as `patterns` does

        options = re2.Options()
        options.max_mem = _MAX_MEMORY
        self._patterns, self._any = patterns, re2.Set.SearchSet(options)
        for pattern in patterns:
            self._any.Add(pattern.regexp.pattern)
        self._any.Compile()

    def find(self, content: bytes) -> list[Span]:
        """Return where secrets are, in no order; they may overlap."""
        spans: list[Span] = []
        for index in self._any.Match(content) or ():
            for span in _secrets(self._patterns[index], content):
                if len(spans) == MAX_MASKED:
                    return [*spans, (span[0], len(content))]
                spans.append(span)
        return spans


def _secrets(pattern: Pattern, content: bytes) -> Iterator[Span]:
    """Yield where the secrets of one pattern are."""
    for match in pattern.regexp.finditer(content):
        group = 0
        if pattern.is_grouped:
            group = next((number for number, text in enumerate(match.groups(), 1) if text), 0)
            if not group:
                continue
        start, end = match.span(group)
        if pattern.is_secret is not None:
            value = content[start:end].decode(errors="replace")
            following = content[end : end + 10].decode(errors="replace")
            if not pattern.is_secret(value, following):
                continue
        yield start, end


def _without_links(spans: list[Span], content: bytes, url: bytes) -> list[Span]:
    """Return the spans that do not begin in a link to the build, or below it."""
    starts, ends = [], []
    at = content.find(url)
    while at >= 0:
        end = _LINK_END.search(content, at + len(url))
        starts.append(at)
        ends.append(end.start() if end else len(content))
        at = content.find(url, ends[-1])

    def is_in_link(start: int) -> bool:
        last = bisect_right(starts, start) - 1
        return last >= 0 and start < ends[last]

    return [span for span in spans if not is_in_link(span[0])]


def _merged(spans: list[Span]) -> list[Span]:
    """Return the spans in order, those that overlap as one."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


class _Texts:
    """All texts of a report in one, with ends between them that our patterns don't go beyond."""

    def __init__(self, report: Report) -> None:
        self._texts: list[str] = []
        self._ends: list[str] = []

        def collect(lines: list[str]) -> list[str]:
            self._texts += lines
            self._ends += [_LINE_END] * (len(lines) - 1)
            self._ends.append(_TEXT_END)
            return lines

        _each_text(report, collect)
        pairs = zip(self._texts, self._ends, strict=True)
        self.content = "".join(chain.from_iterable(pairs)).encode()

    def masked(self, report: Report, spans: list[Span]) -> Report:
        """Return the report with these spans masked, which are in order and don't overlap."""
        texts = [text.encode() for text in self._texts]
        sizes = (len(text) + len(end) for text, end in zip(texts, self._ends, strict=True))
        starts = [0, *accumulate(sizes)]
        inside: dict[int, list[Span]] = {}
        for start, end in spans:
            index = bisect_right(starts, start) - 1
            while index < len(texts) and starts[index] < end:
                begin = starts[index]
                inside.setdefault(index, []).append((start - begin, end - begin))
                index += 1
        indexes = iter(range(len(texts)))

        def change(lines: list[str]) -> list[str]:
            new = [
                _without(texts[index], inside[index]) if index in inside else line
                for line, index in zip(lines, indexes, strict=False)
            ]
            first, *others = new
            return [MASK if first is None else first, *(one for one in others if one is not None)]

        return _each_text(report, change)


def _without(text: bytes, spans: list[Span]) -> str | None:
    """Return a text with its spans masked; None: it is the next line of a secret."""
    parts, at = [], 0
    for start, end in spans:
        if start < 0 and end >= len(text):
            return None
        secret = text[max(start, 0) : end]
        parts += [text[at : max(start, 0)], MASK[: len(secret)].encode()]
        at = min(end, len(text))
    return b"".join([*parts, text[at:]]).decode(errors="replace")


def _each_text(value: _Value, change: Change) -> _Value:
    """Return a report, or a part of one, with its texts as `change` returns them.

    Args:
        value: the part.
        change: gets one text, or all lines of a list; of a list it may leave lines out.
    """
    new: Any = value
    if isinstance(value, str):
        return change([value])[0]  # type: ignore[return-value]
    if isinstance(value, list):
        if value and all(isinstance(item, str) for item in value):
            return change(value)  # type: ignore[return-value]
        new = [_each_text(item, change) for item in value]
        if all(map(is_, new, value)):
            return value
    elif isinstance(value, dict):
        new = {
            name: _named(name, item, change) if isinstance(item, str) else _each_text(item, change)
            for name, item in value.items()
        }
    elif isinstance(value, BaseModel):
        old = vars(value)
        members = {
            name: new
            for name in _members_with_texts(type(value))
            if old[name] and (new := _each_text(old[name], change)) is not old[name]
        }
        if members:
            value = value.model_copy(update=members)
        if isinstance(value, Attachment) and value.is_log:
            text = value.text
            masked = change([text])[0]
            return value if masked is text else value.with_text(masked)
        return value
    return new  # type: ignore[no-any-return]


def _named(name: str, text: str, change: Change) -> str:
    """Return a text of `data` as `change` returns it beside its name, which may be a secret's."""
    before, behind = f'{name}="', '"'
    [new] = change([f"{before}{text}{behind}"])
    is_whole = new.startswith(before) and new.endswith(behind)
    return new[len(before) : -len(behind)] if is_whole else MASK


@cache
def _members_with_texts(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the names of a model's members that may have texts which are not to be kept."""
    return tuple(
        name
        for name, field in model.model_fields.items()
        if f"{model.__name__}.{name}" not in _KEPT and _has_texts(field.annotation)
    )


def _has_texts(annotation: Any) -> bool:
    """Return whether a type has texts other than those of an enumeration."""
    if get_origin(annotation) is Literal:
        return False
    inner = get_args(annotation)
    if inner:
        return any(map(_has_texts, inner))
    return annotation is not None and annotation not in {int, bool, float, type(None)}
