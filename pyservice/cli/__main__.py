"""`python -m pyservice.cli`."""

from pyservice.cli import main

main()
