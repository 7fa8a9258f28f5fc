"""`make audit` fails if it can't ask for advisories."""

import os
import subprocess
from pathlib import Path

from tests.builders.patience import TIMEOUT

ROOT = Path(__file__).parents[2]


def test_advisories_that_cannot_be_reached() -> None:
    """If PyPI does not answer, it fails with one sentence."""
    nowhere = "http://127.0.0.1:9"
    proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"), nowhere)
    done = subprocess.run(
        ["make", "-s", "audit", "-o", ".venv/.ready"],
        cwd=ROOT,
        env=os.environ | proxies | {"NO_PROXY": "", "no_proxy": ""},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode != 0
    assert "There are advisories, or PyPI did not answer" in done.stderr
    assert "No known vulnerabilities" not in done.stdout + done.stderr
