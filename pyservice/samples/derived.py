"""Samples that no controller recorded as they are: recorded builds with some parts changed.

They show what recordings lack: a test that fails now and then, very much of everything, and texts
that are written from right to left.
"""

from collections.abc import Callable
from functools import cache

from pyservice.report.facts import History, PastBuild, Person
from pyservice.report.fields import Result
from pyservice.report.schema import Change, Changes, FailedTest, Report, Stage, Tests
from pyservice.samples import load

MUCH = 300
"""How many failing tests, commits and branches the huge build has."""


@cache
def names() -> tuple[str, ...]:
    """Return the derived samples' names."""
    return tuple(_SAMPLES)


@cache
def load_derived(name: str) -> Report:
    """Return the derived sample `name`.

    Raises:
        KeyError: there is no such sample.
    """
    return _SAMPLES[name]()


def base(name: str) -> str:
    """Return the recorded build that a derived sample is made of."""
    return {"flaky": "3-tests-fail", "huge": "2-failure", "right-to-left": "2-compile-error"}[name]


def _flaky() -> Report:
    """Return the build whose one test failed, with builds before it that failed now and then."""
    recorded = load(base("flaky"))
    past: tuple[Result, ...] = ("SUCCESS", "UNSTABLE", "SUCCESS", "SUCCESS", "UNSTABLE", "SUCCESS")
    started = recorded.build.started_at
    builds = [
        PastBuild(
            number=46 - ago, result=result, started_at=started - 3_600_000 * ago, duration_ms=1523
        )
        for ago, result in enumerate(past)
    ]
    history = History(builds=builds, last_success=builds[0], estimated_ms=1784)
    changed = _numbered(recorded, "shop/checkout", 47, previous_result="SUCCESS", history=history)
    tests = recorded.tests
    if tests is not None:
        failures = [one.model_copy(update={"failed_since": 47}) for one in tests.failures]
        tests = tests.model_copy(update={"failures": failures})
    return changed.model_copy(update={"tests": tests})


def _huge() -> Report:
    """Return the failing build with hundreds of failing tests, commits and parallel stages."""
    recorded = load(base("huge"))
    failures: list[FailedTest] = recorded.tests.failures if recorded.tests else []
    tests = Tests(
        total=48_000,
        failed=MUCH,
        skipped=612,
        failures=[
            failures[n % len(failures)].model_copy(
                update={
                    "name": f"test_order_of_{n}_items",
                    "class_name": f"shop.unit.Ledger{n % 17}Test",
                    "age": n % 5 + 1,
                }
            )
            for n in range(MUCH)
        ],
    )
    items: list[Change] = [
        recorded.changes.items[0].model_copy(
            update={
                "id": f"{n:040x}",
                "message": f"SHOP-{200 + n}: move the totals of ledger {n} to cents",
                "paths": [f"src/main/c/ledger_{n}_{part}.c" for part in range(9)],
                "files": [],
            }
        )
        for n in range(MUCH)
    ]
    stages: list[Stage] = [
        recorded.stages[1].model_copy(
            update={"id": f"{1000 + n}", "name": f"shard {n}", "duration_ms": 330 * (n % 40 + 1)}
        )
        for n in range(MUCH)
    ]
    return _numbered(recorded, "shop/monorepo", 4711).model_copy(
        update={
            "tests": tests,
            "changes": Changes(total=4 * MUCH, items=items),
            "stages": [*stages, *recorded.stages],
        }
    )


def _right_to_left() -> Report:
    """Return the build that did not compile, of people who write Hebrew and Arabic."""
    recorded = load(base("right-to-left"))
    stages = {"Build": "בנייה", "Test": "בדיקות", "unit": "בדיקות יחידה"}

    def translated(name: str) -> str:
        return stages.get(name, name)

    change = recorded.changes.items[0].model_copy(
        update={
            "message": "SHOP-119: סכום ההזמנה באגורות (total) ולא בשקלים\n\nتصحيح حساب الضريبة",
            "author": "נועה לוי",
        }
    )
    error = recorded.error
    if error is not None:
        step = error.step and error.step.model_copy(
            update={"place": [translated(name) for name in error.step.place]}
        )
        error = error.model_copy(update={"stage": translated(error.stage or ""), "step": step})
    culprit = Person(id="noa", name="נועה לוי", email="noa@example.com", may_read=True)
    return _numbered(recorded, "חנות/תשלום", 12, culprits=[culprit]).model_copy(
        update={
            "changes": Changes(total=1, items=[change]),
            "error": error,
            "stages": [
                stage.model_copy(update={"name": translated(stage.name)})
                for stage in recorded.stages
            ],
        }
    )


def _numbered(recorded: Report, job: str, number: int, **changes: object) -> Report:
    """Return a recorded build as another job's, or with another number."""
    named: dict[str, object] = {
        "job": job,
        "number": number,
        "display_name": f"#{number}",
        "full_display_name": f"{job.replace('/', ' » ')} #{number}",
        "url": f"https://ci.example.com/job/{'/job/'.join(job.split('/'))}/{number}/",
    }
    build = recorded.build.model_copy(update=named | changes)
    return recorded.model_copy(update={"build": build})


_SAMPLES: dict[str, Callable[[], Report]] = {
    "flaky": _flaky,
    "huge": _huge,
    "right-to-left": _right_to_left,
}
