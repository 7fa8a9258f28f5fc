"""What a package loads when it is imported."""

import subprocess
import sys

import pytest

OUTBOX_AND_WEB = ("sqlalchemy", "alembic", "fastapi", "uvicorn", "jinja2", "requests")
PROGRAM = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.iter_modules(package.__path__, f"{sys.argv[1]}."):
    importlib.import_module(module.name)
print(*{"css_inline", "jinja2"} & set(sys.modules))
"""


@pytest.mark.parametrize("package", ["pyservice.outbox", "pyservice.postfix"])
def test_no_mail_is_made_there(package: str) -> None:
    """Neither the outbox nor what reads Postfix' log loads what makes mails."""
    command = (sys.executable, "-c", PROGRAM, package)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_command_starts_quickly() -> None:
    """It loads what the outbox and the web service need only when one of its commands needs it."""
    shown = f"import sys, pyservice.cli; print(*{{*{OUTBOX_AND_WEB}}} & set(sys.modules))"
    done = subprocess.run((sys.executable, "-c", shown), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_service_starts_quickly() -> None:
    """It loads what the doctor, Jenkins and rates need only when somebody uses them."""
    late = ("psutil", "requests", "limits", "itsdangerous", "alembic")
    shown = f"import sys, pyservice.web.app; print(*{{*{late}}} & set(sys.modules))"
    done = subprocess.run((sys.executable, "-c", shown), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
