"""make audit: never says that all is well without having asked."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_advisories_that_cannot_be_reached() -> None:
    """It fails, and says so in one sentence."""
    nowhere = "http://127.0.0.1:9"
    proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"), nowhere)
    done = subprocess.run(
        ["make", "-s", "audit", "-o", ".venv/.ready"],
        cwd=ROOT,
        env=os.environ | proxies | {"NO_PROXY": "", "no_proxy": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "Not all is known to be well" in done.stderr
    assert "No known vulnerabilities" not in done.stdout + done.stderr
