"""What a token may do: pure checks of a report and its people.

They narrow what the service's settings allow, and never widen it.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from pyservice.addresses import Mailbox, is_within
from pyservice.config.types import Domains, Rate, check_jenkins_url
from pyservice.errors import PolicyError
from pyservice.policy.recipients import KINDS
from pyservice.urls import is_below, job_names

if TYPE_CHECKING:
    from limits import RateLimitItem

    from pyservice.policy.recipients import Recipients
    from pyservice.report.schema import Report

Act = Literal["send", "see", "scrape"]
ACTS: tuple[Act, ...] = ("send", "see", "scrape")
_MEANING: dict[Act, str] = {
    "send": "send reports",
    "see": "see reports and previews",
    "scrape": "read /metrics",
}


def _texts(value: object) -> object:
    if isinstance(value, str):
        raise ValueError(f'it is a list, such as ["{value}"]')  # noqa: TRY004 - pydantic's way
    return value


def _job(value: str) -> str:
    if not job_names(value.rstrip("/")):
        raise ValueError(f"{value!r} is no job's full name, such as team-a or team-a/checkout")
    return value.rstrip("/")


Controller = Annotated[str, AfterValidator(check_jenkins_url)]
Narrower = Annotated[Domains, Field(min_length=1), BeforeValidator(_texts)]
Jobs = Annotated[
    tuple[Annotated[str, AfterValidator(_job)], ...], Field(min_length=1), BeforeValidator(_texts)
]
Acts = Annotated[tuple[Act, ...], Field(min_length=1), BeforeValidator(_texts)]


class Permissions(BaseModel):
    """The bounds of one token; without any it may do all that the settings allow."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    controller: Controller | None = None
    """Jenkins' root URL; a report's `build.url` lies below it."""
    jobs: Jobs = ()
    """Full names of jobs, or of folders with all that is in them; empty: any."""
    sender_domains: Narrower = ()
    """Domains that the mail may say it comes from; empty: any."""
    recipient_domains: Narrower = ()
    """Domains that it may go to; empty: any."""
    rate: Rate | None = None
    """How many reports, as `limits` writes it: `100/hour`; None: any."""
    may: Acts = ACTS
    """send: POST reports; see: look after the own ones, and previews; scrape: /metrics."""

    @cached_property
    def limit(self) -> "RateLimitItem | None":
        """The rate as a value."""
        if self.rate is None:
            return None
        from limits import parse  # noqa: PLC0415

        return parse(self.rate)

    def require(self, act: Act) -> None:
        """Whether it may do this at all.

        Raises:
            PolicyError: it may not.
        """
        if act not in self.may:
            allowed = " and ".join(_MEANING[one] for one in self.may)
            raise PolicyError(f"This token may {allowed}, and not {_MEANING[act]}.")

    def check_job(self, job: str) -> None:
        """Whether a job is one of its own.

        Args:
            job: its full name, folders separated by slashes.

        Raises:
            PolicyError: it isn't.
        """
        if self._job_outside(job):
            raise PolicyError(self._told("jobs"))

    def check(self, report: "Report", people: "Recipients", sender: Mailbox) -> None:
        """Whether it may send this report to these people.

        Args:
            report: the report.
            people: whom it goes to, as recipients.py found them.
            sender: whom the mail comes from: the service's own, a report names none.

        Raises:
            PolicyError: it may not; names each member that is outside of its bounds.
        """
        build = report.build
        found: list[tuple[str, str, str]] = []
        if self.controller and not (build.url and is_below(build.url, self.controller)):
            sentence = f"{build.url} is not below it" if build.url else "it is missing"
            found.append(("controller", "/build/url", sentence))
        if outside := self._job_outside(build.job):
            found.append(("jobs", "/build/job", outside))
        kinds = [("recipient_domains", KINDS), ("sender_domains", ("reply_to",))]
        for bound, members in kinds:
            domains = getattr(self, bound)
            found += [
                (bound, f"/mail/{kind}", f"{box.address} is outside of them")
                for kind in members
                for box in getattr(people, kind)
                if domains and not is_within(box.address, domains)
            ]
        bounds = list(dict.fromkeys(bound for bound, _, _ in found))
        if self.sender_domains and not is_within(sender.address, self.sender_domains):
            bounds.append("sender")
        if bounds:
            # A sender outside is the service's own, so no member of the report is wrong.
            told = " ".join(self._told(bound, sender.address) for bound in bounds)
            raise PolicyError(told, tuple((pointer, sentence) for _, pointer, sentence in found))

    def _job_outside(self, job: str) -> str:
        names = job_names(job)
        if self.jobs and not any(names[: len(own)] == own for own in map(job_names, self.jobs)):
            return f"{job} is outside of them"
        return ""

    def _told(self, bound: str, sender: str = "") -> str:
        sentences = {
            "controller": f"This token reports builds of {self.controller} only.",
            "jobs": f"This token is for these jobs only: {', '.join(self.jobs)}.",
            "recipient_domains": (
                f"This token sends to these domains only: {', '.join(self.recipient_domains)}."
            ),
            "sender_domains": (
                f"This token has replies sent to these domains only: "
                f"{', '.join(self.sender_domains)}."
            ),
            "sender": (
                f"This token sends from these domains only: {', '.join(self.sender_domains)}; "
                f"the service's SENDER is {sender}."
            ),
        }
        return sentences[bound]
