"""`python -m tests.testbed.hurried MODULE.NAME=SECONDS… -- serve …`: the service, less patient.

It is the service itself, with other constants: a test needn't wait for as long as a node does.
"""

import importlib
import sys

from pyservice import cli, smtp


def main() -> None:
    """Change the constants, and run the service."""
    ends = sys.argv.index("--")
    for change in sys.argv[1:ends]:
        name, value = change.split("=")
        module, _, constant = name.rpartition(".")
        owner = importlib.import_module(f"pyservice.{module}")
        assert hasattr(owner, constant), f"There is no {name} any more."
        setattr(owner, constant, float(value))
    # A default argument is what the constant was when the module was read.
    smtp.Connection.__init__.__kwdefaults__ = {"timeout": smtp.TIMEOUT}
    del sys.argv[1 : ends + 1]
    cli.main()


if __name__ == "__main__":
    main()
