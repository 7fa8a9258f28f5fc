"""Figures, and how they are shown."""

import json
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A measured value, and its baseline, measured in the same run."""

    value: float
    baseline: float
    unit: str

    @property
    def ratio(self) -> float:
        """The value divided by the baseline."""
        return self.value / self.baseline


ABOUT = {
    "post_to_250_throughput": ("POST to Postfix' 250", "smtp-source -s 10"),
    "start_to_ready": ("exec to 200 of /readyz", "import fastapi, uvicorn, sqlalchemy"),
    "post_median": ("POST to its 202, 100/s", "GET /healthz"),
    "post_p99": ("POST to its 202, 100/s", "its median"),
    "acceptance_under_load": ("POST to its 202, mails being made", "the same while idle"),
    "step_call": ("a call of notifyEmail in a trusted library", "POST of the same report"),
    "acceptance_beside_previews": ("POST to its 202, 1,000 previews/min", "the same while idle"),
    "acceptance_beside_authors": ("POST to its 202, 100 studios open", "the same while idle"),
    "save_to_pixels": ("a save to its pixels, by itself", "the page loaded again"),
    "save_to_pixels_p95": ("95 % of saves to their pixels", "the limit of 300 ms"),
    "preview_median": ("POST to a preview's HTML, 1,000/min", "the time between two"),
    "burst_accepted": ("202 and once at Postfix", "burst of 50 callers"),
    "burst_p99": ("POST to its 202, in a burst", "its median"),
    "burst_memory": ("most memory in a burst", "before it"),
    "rows_100k": ("a report where 100,000 ended", "where 1,000 did"),
    "rows_1000k": ("a report where 1,000,000 ended", "where 1,000 did"),
    "render_mail": ("report to MIME bytes", "EmailMessage, given the two bodies"),
    "render_worst_mail": ("the worst report to MIME bytes", "a usual one"),
    "render_worst_memory": ("most memory of the worst", "the limit"),
    "check_mail": ("all checks of a usual mail", "making it"),
    "check_worst_mail": ("all checks of the worst mail", "making it"),
    "find_first_error": ("the first error of a 64 KiB log", "the limit of 5 ms"),
    "desk_10k": ("/outbox with 10,000 mails", "/doctor, without them"),
    "desk_trouble_10k": ("its mails that are not well", "/doctor, without them"),
    "desk_search_10k": ("one recipient's mails of 10,000", "/doctor, without them"),
}
"""What the value and the baseline of each figure measure."""


def as_json(before: Mapping[str, object], figures: Mapping[str, Figure]) -> str:
    """Return `{name: {value, baseline, ratio, unit}}`, rounded to four digits.

    Args:
        before: the figures of other runs, in this form.
        figures: the figures of this run.
    """
    rounded = {
        name: {
            "value": _rounded(figure.value),
            "baseline": _rounded(figure.baseline),
            "ratio": _rounded(figure.ratio),
            "unit": figure.unit,
        }
        for name, figure in figures.items()
    }
    return json.dumps({**before, **rounded}, indent=2) + "\n"


def as_table(figures: Mapping[str, Figure]) -> str:
    """Return a line for each figure."""
    lines = [f"{'':<24}{'value':>9}{'baseline':>10}{'ratio':>8}  unit"]
    for name, figure in figures.items():
        value, baseline = ABOUT[name]
        lines.append(
            f"{name:<24}{_rounded(figure.value):>9g}{_rounded(figure.baseline):>10g}"
            f"{figure.ratio:>8.2f}  {figure.unit:<8} {value} / {baseline}"
        )
    return "\n".join(lines)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
