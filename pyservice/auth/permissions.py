"""What a token may do: pure checks of a report and its recipients.

Permissions narrow what the service's settings allow, and never widen it.
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

Act = Literal["send", "see", "scrape", "operate"]
USUAL_ACTS: tuple[Act, ...] = ("send", "see", "scrape")
"""What a token may do that names no acts: what concerns its own reports."""
_MEANING: dict[Act, str] = {
    "send": "send reports",
    "see": "see reports and previews",
    "scrape": "read /metrics",
    "operate": "see and change the reports of all tokens",
}


def _texts(value: object) -> object:
    if isinstance(value, str):
        raise ValueError(f'it must be a list, such as ["{value}"]')  # noqa: TRY004 - pydantic's convention
    return value


def _job(value: str) -> str:
    if not job_names(value.rstrip("/")):
        raise ValueError(f"{value!r} is not a job's full name, such as team-a or team-a/checkout")
    return value.rstrip("/")


Controller = Annotated[str, AfterValidator(check_jenkins_url)]
Narrower = Annotated[Domains, Field(min_length=1), BeforeValidator(_texts)]
Jobs = Annotated[
    tuple[Annotated[str, AfterValidator(_job)], ...], Field(min_length=1), BeforeValidator(_texts)
]
Acts = Annotated[tuple[Act, ...], Field(min_length=1), BeforeValidator(_texts)]


class Permissions(BaseModel):
    """The bounds of one token. A token without bounds may do all that the settings allow."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    controller: Controller | None = None
    """Jenkins' root URL: a report's `build.url` must be below it."""
    jobs: Jobs = ()
    """Full names of jobs, or of folders with everything in them; empty: any."""
    sender_domains: Narrower = ()
    """Domains of the sender and of Reply-To; empty: any."""
    recipient_domains: Narrower = ()
    """Domains of the recipients; empty: any."""
    rate: Rate | None = None
    """The number of new reports in a time, in the notation of `limits`: `100/hour`; None: any."""
    may: Acts = USUAL_ACTS
    """send: post reports; see: follow, retry and cancel its reports; scrape: read /metrics;
    operate: see and change those of all tokens, within `jobs`."""

    @cached_property
    def limit(self) -> "RateLimitItem | None":
        """The rate, parsed."""
        if self.rate is None:
            return None
        from limits import parse  # noqa: PLC0415

        return parse(self.rate)

    def require(self, act: Act) -> None:
        """Refuse an act that isn't among those of `may`.

        Raises:
            PolicyError: says what the token may do.
        """
        if act not in self.may:
            allowed = " and ".join(_MEANING[permitted] for permitted in self.may)
            raise PolicyError(f"This token may {allowed}, and not {_MEANING[act]}.")

    def check_job(self, job: str) -> None:
        """Refuse a job that the token is not for.

        Args:
            job: its full name, folders separated by slashes.

        Raises:
            PolicyError: names the jobs that the token is for.
        """
        if not self.has_job(job):
            raise PolicyError(self._rule("jobs"))

    def is_bound_to(self, controller: str, job: str) -> bool:
        """Return whether the token is for this controller only, and for jobs with this one.

        Only for such a token the service reads a build: else it would read any job's log for
        anybody.

        Args:
            controller: Jenkins' root URL.
            job: the job's full name.
        """
        own = self.controller
        is_same = own is not None and is_below(own, controller) and is_below(controller, own)
        return is_same and bool(self.jobs) and self.has_job(job)

    def check(self, report: "Report", recipients: "Recipients", sender: Mailbox) -> None:
        """Refuse a report that is outside of the token's bounds.

        Args:
            report: the report.
            recipients: who gets its mail.
            sender: the mail's From: the one that the report names, else the service's sender.

        Raises:
            PolicyError: names each bound, and each member that is outside of it.
        """
        build = report.build
        outside: list[tuple[str, str, str]] = []
        if self.controller and not (build.url and is_below(build.url, self.controller)):
            sentence = f"{build.url} is not below it" if build.url else "it is missing"
            outside.append(("controller", "/build/url", sentence))
        if not self.has_job(build.job):
            outside.append(("jobs", "/build/job", f"{build.job} is outside of them"))
        kinds = [("recipient_domains", KINDS), ("sender_domains", ("reply_to",))]
        for bound, members in kinds:
            domains = getattr(self, bound)
            outside += [
                (bound, f"/mail/{kind}", f"{box.address} is outside of them")
                for kind in members
                for box in getattr(recipients, kind)
                if domains and not is_within(box.address, domains)
            ]
        is_foreign = self.sender_domains and not is_within(sender.address, self.sender_domains)
        if is_foreign and report.mail.sender:
            sentence = f"{sender.address} is outside of them"
            outside.append(("sender_domains", "/mail/from", sentence))
        bounds = list(dict.fromkeys(bound for bound, _, _ in outside))
        if is_foreign and not report.mail.sender:
            bounds.append("sender")
        if bounds:
            # The sender is the service's setting, so no member of the report is wrong.
            detail = " ".join(self._rule(bound, sender.address) for bound in bounds)
            errors = tuple((pointer, sentence) for _, pointer, sentence in outside)
            raise PolicyError(detail, errors)

    def has_job(self, job: str) -> bool:
        """Return whether the token is for a job, given by its full name."""
        names = job_names(job)
        return not self.jobs or any(
            names[: len(allowed)] == allowed for allowed in map(job_names, self.jobs)
        )

    def _rule(self, bound: str, sender: str = "") -> str:
        """Return a bound as a sentence for the author of a Pipeline."""
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
                f"the service's NOTIFY_EMAIL_SENDER is {sender}."
            ),
        }
        return sentences[bound]
