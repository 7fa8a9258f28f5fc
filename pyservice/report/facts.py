"""The parts of schema 2: what a trusted library, or Jenkins' REST, knows of a build from inside.

All of them are optional. An older library sends none, and each may fail alone.
"""

from typing import Annotated, Literal

from pydantic import Field

from pyservice.report.fields import (
    MAX_SAFE_INTEGER,
    Count,
    Milliseconds,
    Name,
    Part,
    Result,
    Text,
    Url,
)

ShortText = Annotated[str, Field(max_length=1024)]
BuildNumber = Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)]


class Person(Part):
    """A person as Jenkins knows them."""

    id: ShortText = ""
    """Jenkins' user ID; empty: somebody whom only a commit names."""
    name: ShortText = ""
    email: ShortText = ""
    """The address that Jenkins' Mailer finds for them; of somebody whom Jenkins does not know, the
    commit's; empty: none."""
    may_read: bool = False
    """Whether Jenkins' security realm knows them, and they may read the job.

    Anybody can write any address into a commit, so only such people get mail by their commits.
    """


class Upstream(Part):
    """The build that started this one."""

    job: Name
    number: BuildNumber
    url: Url | None = None


class ChangeRequest(Part):
    """A pull or merge request."""

    id: Name
    target: ShortText = ""
    """The branch that it would be merged into."""
    from_fork: bool = False
    """Whether it comes from a fork, whose author may be anybody."""


class Branch(Part):
    """The branch of a multibranch job."""

    name: Name
    """As people write it, such as `feature/login-page`."""
    change_request: ChangeRequest | None = None


class Checkout(Part):
    """A repository that the build checked out, except for those of Pipeline libraries."""

    url: ShortText = ""
    """The remote, without user and password."""
    revision: ShortText = ""
    branch: ShortText = ""


class PastBuild(Part):
    """An earlier build of the job."""

    number: BuildNumber
    result: Result | None = None
    """None: it is still running."""
    started_at: Milliseconds
    duration_ms: Milliseconds | None = None


class History(Part):
    """The builds before this one."""

    builds: Annotated[list[PastBuild], Field(max_length=100)] = []
    """The last builds, the newest first."""
    last_success: PastBuild | None = None
    estimated_ms: Milliseconds | None = None
    """How long Jenkins expects the build to take."""


class Interruption(Part):
    """Who or what stopped the build."""

    type: ShortText = ""
    """The cause's Java class, such as `jenkins.model.CauseOfInterruption$UserInterruption`."""
    text: Text = ""
    """Jenkins' own words, such as "Superseded by #15"."""
    user: Person | None = None
    after_ms: Milliseconds | None = None
    """How long the block that the step `timeout` limits had been running."""


class Step(Part):
    """A step of the Pipeline."""

    id: ShortText = ""
    """The ID of its flow node: `execution/node/ID/log/` below the build has its log."""
    function: ShortText = ""
    """Such as `sh`; empty: no step, but the Jenkinsfile itself failed."""
    name: ShortText = ""
    """As Jenkins' pages call it, such as "Shell Script"."""
    label: ShortText = ""
    """The label that its author gave it."""
    place: Annotated[list[ShortText], Field(max_length=50, fail_fast=True)] = []
    """The stages and branches around it, the outermost first."""
    command: Text = ""
    """The script of sh, bat or powershell, the message of error, or the job of build."""
    log: Text = ""
    """The end of its own log. Colours may be in it as terminal sequences."""
    log_is_cut: bool = False
    """Whether the log is longer."""
    agent: ShortText = ""
    """The agent's name; empty: the controller's own executor, or none."""
    agent_label: ShortText = ""
    """The label by which the Pipeline asked for the agent."""
    started_at: Milliseconds | None = None
    duration_ms: Milliseconds | None = None


class Warned(Part):
    """A warning that a step left, for example of `unstable`, `junit` or `catchError`."""

    message: Text = ""
    result: Result = "UNSTABLE"
    function: ShortText = ""
    """The step that left it."""
    place: Annotated[list[ShortText], Field(max_length=50, fail_fast=True)] = []
    """The stages and branches around it, the outermost first."""


class ChangedFile(Part):
    """A file that a commit changed."""

    path: ShortText
    edit: Literal["add", "edit", "delete"] = "edit"


class Artifact(Part):
    """A file that the build archived."""

    path: ShortText
    """Relative to the build's artifacts."""
    size_bytes: Count | None = None


class Artifacts(Part):
    """The files that the build archived."""

    total: Count
    items: Annotated[list[Artifact], Field(max_length=1000)] = []


class Missing(Part):
    """A part of the build that its sender could not read, or had to cut."""

    part: ShortText
    """The member's name, such as `tests`."""
    reason: Text = ""
