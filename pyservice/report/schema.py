"""The format of a report: the JSON body of `POST /v1/reports`, schema 2.

Schema 1 lacks what `facts` has. The Groovy step writes it; tests/contract has examples that both
sides are tested against. Every text comes from a build and is untrusted: escape it before it goes
into a header, a page or a log line.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, ValidationError
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import from_json

from pyservice.errors import InvalidError, MalformedError
from pyservice.report.attachments import MAX_FILES, Attachment, NotAttached
from pyservice.report.facts import (
    Artifacts,
    Branch,
    ChangedFile,
    Checkout,
    History,
    Interruption,
    Missing,
    Person,
    ShortText,
    Step,
    Upstream,
    Warned,
)
from pyservice.report.fields import (
    MAX_SAFE_INTEGER,
    UNKNOWN,
    Addresses,
    Count,
    Lines,
    Milliseconds,
    Name,
    Part,
    Result,
    Text,
    Texts,
    Url,
    plain_data,
)
from pyservice.report.repair import Repair, pointer
from pyservice.validation import explain

SCHEMA = 2
MAX_BODY = 8192
"""Characters of the author's own words in a mail."""
MAX_REPAIRS = 10
"""An entry that is left out may hide what is wrong with another; six are the most that do."""


class Cause(Part):
    """Why the build ran: an entry of `currentBuild.getBuildCauses()`."""

    type: Name = UNKNOWN
    """The cause's Java class, for example `hudson.model.Cause$UserIdCause`."""
    text: Text


class Build(Part):
    """The build, as `currentBuild` describes it."""

    job: Name
    """`currentBuild.fullProjectName`, folders separated by slashes."""
    number: Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)]
    result: Result
    started_at: Milliseconds
    """Milliseconds since 1970-01-01 UTC."""
    duration_ms: Milliseconds | None = None
    """The duration so far: the build still runs while it reports."""
    display_name: Name | None = None
    full_display_name: Name | None = None
    url: Url | None = None
    """The build's page; None: the controller has no Jenkins URL."""
    previous_result: Result | None = None
    """The result of the last build before that was neither aborted nor left unbuilt; None: there is
    none. Older libraries send the result of the build before, whatever it is."""
    description: Text | None = None
    causes: Annotated[list[Cause], Field(max_length=100)] = []
    branch: Branch | None = None
    checkouts: Annotated[list[Checkout], Field(max_length=20)] = []
    requestor: Person | None = None
    """Who started the build, or the first of the builds that led to it."""
    culprits: Annotated[list[Person], Field(max_length=200)] = []
    """The authors of all changes since the last success."""
    contributor: Person | None = None
    """The author of the change request that is built."""
    upstream: Upstream | None = None
    upstream_culprits: Annotated[list[Person], Field(max_length=200)] = []
    """The authors of the changes of all builds that led to this one."""
    history: History | None = None
    interruption: Interruption | None = None
    replayed_from: Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)] | None = None
    """The number of the build that was replayed, with a Jenkinsfile that may differ."""
    restarted_from: ShortText = ""
    """The stage from which the build was restarted."""
    parameters: Annotated[list[ShortText], Field(max_length=100, fail_fast=True)] = []
    """The names of the build's parameters, never their values."""


class Change(Part):
    """One commit."""

    id: Name = UNKNOWN
    message: Text = ""
    author: Annotated[str, Field(max_length=1024)] = ""
    author_id: Annotated[str, Field(max_length=1024)] | None = None
    at: Milliseconds | None = None
    author_email: ShortText = ""
    """The address of the commit; anybody can write any."""
    author_may_read: bool = False
    """Whether the author is a user of Jenkins who may read the job: see `Person.may_read`."""
    paths: Texts = []
    """The paths of `files`, or of a sender that knows no more."""
    files: Annotated[list[ChangedFile], Field(max_length=1000)] = []


class Changes(Part):
    """The commits that are new in this build."""

    total: Count
    """How many commits there are; `items` may have fewer."""
    items: Annotated[list[Change], Field(max_length=1000)] = []


class Failure(Part):
    """What broke the build."""

    message: Text = ""
    type: Name | None = None
    """The exception's Java class."""
    stage: Name | None = None
    step: Step | None = None
    """The step that failed."""


class FailedTest(Part):
    """One failing test case."""

    name: Name = UNKNOWN
    class_name: Annotated[str, Field(max_length=1024)] = ""
    message: Text | None = None
    stack_trace: Text | None = None
    age: Count = 1
    """For how many builds it has been failing; 1 is a regression."""
    failed_since: Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)] | None = None
    """The number of the build since which it has been failing."""
    duration_ms: Milliseconds | None = None
    suite: ShortText = ""
    stage: ShortText = ""
    """The innermost stage whose step `junit` has read it."""


class Tests(Part):
    """The counts of all test cases, and the cases that fail."""

    total: Count
    failed: Count
    skipped: Count = 0
    failures: Annotated[list[FailedTest], Field(max_length=1000)] = []

    @property
    def passed(self) -> int:
        """Return how many cases neither failed nor were skipped."""
        return max(0, self.total - self.failed - self.skipped)


class Stage(Part):
    """One stage of the Pipeline; a stage that was skipped is NOT_BUILT."""

    name: Name = UNKNOWN
    status: Literal[Result, "IN_PROGRESS", "PAUSED"]
    duration_ms: Milliseconds | None = None
    started_at: Milliseconds | None = None
    id: ShortText = ""
    """The ID of its flow node."""
    parent: ShortText = ""
    """The ID of the stage around it; empty: it is on the outermost level."""
    branch: ShortText = ""
    """The branch of the step `parallel` that runs it."""
    cell: Annotated[dict[str, ShortText], Field(max_length=20)] = {}
    """The axes and values of its matrix cell, such as {"OS": "linux"}."""


RecipientKind = Literal[
    "developers",
    "culprits",
    "requestor",
    "upstreamDevelopers",
    "brokenTestsSuspects",
    "brokenBuildSuspects",
    "previous",
    "contributor",
    "suspects",
]
"""The names that email-ext has for them, too, except for `suspects`."""


class Mail(Part):
    """The mail that the Pipeline's author wants."""

    to: Addresses | None = None
    """The recipients; None or empty, and no `recipients`: the service's default."""
    to_is_default: bool = False
    """Whether `to` is the controller's NOTIFY_EMAIL_TO, since the Pipeline names nobody there."""
    cc: Addresses | None = None
    bcc: Addresses | None = None
    recipients: Annotated[list[RecipientKind], Field(max_length=50, fail_fast=True)] = []
    """Recipients by what they have to do with the build, beside those of `to`, `cc` and `bcc`; with
    them the service's default is not used. policy/people.py says whom each kind means."""
    reply_to: Addresses | None = None
    subject: Annotated[str, Field(max_length=4096)] | None = None
    sender: Annotated[ShortText | None, Field(alias="from")] = None
    """From; one of the service's FROM_ADDRESSES. None or empty: its SENDER."""
    template: Name = "build"
    body: Annotated[str, Field(max_length=MAX_BODY)] | None = None
    """The author's own words, in Markdown or as an HTML fragment; mail/own_words.py cleans them."""
    attach: Annotated[list[ShortText], Field(max_length=20, fail_fast=True)] = []
    """Ant patterns of archived artifacts that go with the mail. The sender reads them."""
    attach_log: bool = False
    """Whether the build's log goes with it."""
    data: Annotated[dict[str, JsonValue], AfterValidator(plain_data)] = {}
    dry_run: bool = False
    """Whether the mail is made and kept, and not sent."""
    is_preview: SkipJsonSchema[bool] = False
    """Whether a person sends the mail from a preview: its subject says so, it is in no thread, and
    its build's page doesn't show it. The service sets it."""


class Report(Part):
    """The report of one build."""

    version: Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER, alias="schema")] = SCHEMA
    build: Build
    changes: Changes = Changes(total=0)
    error: Failure | None = None
    tests: Tests | None = None
    stages: Annotated[list[Stage], Field(max_length=1000)] = []
    """The stages, each followed by those inside of it."""
    warnings: Annotated[list[Warned], Field(max_length=200)] = []
    artifacts: Artifacts | None = None
    log: Lines = []
    """The last lines of the build's log, or of the failing stage's."""
    masked: SkipJsonSchema[Count] = 0
    """How many secrets are masked in its texts. The service counts, whatever a caller sends."""
    missing: Annotated[list[Missing], Field(max_length=100)] = []
    """What the sender could not read, or had to cut."""
    complete: bool = False
    """Whether the sender read the build from inside, so that Jenkins' REST has nothing to add."""
    mail: Mail = Mail()
    attachments: Annotated[list[Attachment], Field(max_length=MAX_FILES)] = []
    """The files that go with the mail."""
    not_attached: Annotated[list[NotAttached], Field(max_length=2 * MAX_FILES)] = []
    """The files that were wanted, and for which there is no room."""
    _left_out: tuple[tuple[str, str], ...] = ()

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        """What `parse` left out, as (JSON pointer, sentence); the outbox doesn't keep it."""
        return self._left_out

    def without_wishes(self, members: Iterable[str], reason: str) -> Self:
        """Return the report without members of `mail`, which are left out for a reason."""
        given = [name for name in members if getattr(self.mail, name)]
        if not given:
            return self
        defaults = {name: Mail.model_fields[name].get_default() for name in given}
        mail = self.mail.model_copy(update=defaults)
        report = self.model_copy(update={"mail": mail})
        names = [Mail.model_fields[name].alias or name for name in given]
        report._left_out = (*self._left_out, *((f"/mail/{name}", reason) for name in names))
        return report

    def without_files(self, reason: str = "") -> Self:
        """Return the report without attachments; with a reason, its mail names each of them."""
        if not self.attachments:
            return self
        named = [file.left_out(reason) for file in self.attachments] if reason else []
        new = {"attachments": [], "not_attached": [*self.not_attached, *named]}
        return self.model_copy(update=new)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Return the report in a request's body.

        Unknown members are an error in this schema, as they are spelling mistakes. In a later
        schema they are ignored, so that a newer library works with this service. Parts that are
        optional and unusable are left out: see `repair`.

        Raises:
            MalformedError: it is not JSON.
            InvalidError: it is, but not a report; names each member that is wrong.
        """
        try:
            return cls.model_validate_json(body)
        except ValidationError:
            pass  # parsed again below, more slowly, to name or repair what is wrong
        try:
            value = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise MalformedError(f"The body is not JSON: {error}.") from None
        schema = value.get("schema") if isinstance(value, dict) else None
        is_newer = isinstance(schema, int) and schema > SCHEMA
        repair, errors = Repair(value, cls, ordered="mail"), []
        for _ in range(MAX_REPAIRS):
            try:
                report = cls.model_validate(value, extra="ignore" if is_newer else "forbid")
            except ValidationError as error:
                errors = error.errors(include_url=False)
            else:
                report._left_out = repair.missing
                return report
            if mistakes := repair.mistakes(errors):
                errors = mistakes
                break
            repair.apply(errors)
        raise InvalidError(errors=tuple((pointer(e["loc"]), explain(e)) for e in errors))

    def content_hash(self) -> str:
        """Return the report's hash, SHA-256 in hex: equal for a repeated call.

        It leaves out the duration, since a repeated call is later, and the schema and defaults, so
        that a member that a later version adds does not change the hash of old reports. It has the
        start time, so that build 1 of a job that was deleted and created again is another report.

        While a Pipeline resumes and repeats its call, its log and stages have gone on. So a report
        that was read from inside is known by its build and by what the author wants; its sender
        tells two calls of one build apart by their idempotency keys.
        """
        if self.complete:
            build = self.build.model_dump(include={"job", "number", "started_at"})
            wanted = self.mail.model_dump_json(exclude_defaults=True)
            return hashlib.sha256(f"{json.dumps(build)}\n{wanted}".encode()).hexdigest()
        value = self.model_dump_json(
            exclude_defaults=True, exclude={"version": True, "build": {"duration_ms"}}
        )
        return hashlib.sha256(value.encode()).hexdigest()
