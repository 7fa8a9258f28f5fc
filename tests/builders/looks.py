"""Reports whose mails are hard to show."""

from pyservice import samples
from pyservice.report.schema import Report

COLOURS = "".join(
    f"\x1b[{weight}{code}m{code} "
    for weight in ("", "1;")
    for code in (*range(30, 38), *range(90, 98))
)
LONG = "com.example." + "averylongname" * 30


def failing(log: str, message: str, **parts: object) -> Report:
    """Return the recorded build that fails to compile, with another log and another error."""
    report = samples.load("2-compile-error")
    assert report.error is not None
    assert report.error.step is not None
    step = report.error.step.model_copy(update={"log": log})
    error = report.error.model_copy(update={"message": message, "step": step})
    return report.model_copy(update={"error": error, **parts})


def colourful() -> Report:
    """Return a report with a log of all colours, and a name without blanks."""
    return failing(f"{COLOURS}\x1b[0m\n\x1b[1mmain.c:2:1:\x1b[0m \x1b[31merror:\x1b[0m x\n", LONG)


def foreign() -> Report:
    """Return a report in scripts that go from right to left, or have no blanks."""
    changes = samples.load("2-compile-error").changes
    items = [changes.items[0].model_copy(update={"message": "שלום עולם", "author": "عائشة"})] * 2
    build = samples.load("2-compile-error").build.model_copy(
        update={"full_display_name": f"متجر » {'構建失敗' * 30} #2", "description": "构建失败" * 99}
    )
    return failing(
        f"{'変更' * 300}\nخطأ: ملف\n",
        "خطأ: لا يوجد ملف بهذا الاسم",
        build=build,
        changes=changes.model_copy(update={"items": items}),
    )
