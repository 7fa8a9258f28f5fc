"""What a package loads when it is imported."""

import subprocess
import sys

import pytest

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
