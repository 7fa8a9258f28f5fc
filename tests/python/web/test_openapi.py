"""schemathesis tests the service against its OpenAPI document."""

import re
import subprocess
import sys
from pathlib import Path

from pyservice.auth import tokens
from pyservice.config.settings import Settings
from tests.builders.patience import TIMEOUT
from tests.python.conftest import listening


def test_the_document_is_true(settings: Settings, tmp_path: Path) -> None:
    """Every answer has a status, a type and a body that the document describes."""
    file = tmp_path / "tokens.toml"
    token = tokens.new(file, "ci")
    update = {"tokens_file": file, "default_to": "ada@example.com"}
    with listening(settings.model_copy(update=update)) as (host, port):
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")),
                f"--config-file={Path(__file__).with_name('schemathesis.toml')}",
                "run",
                f"http://{host}:{port}/openapi.json",
                f"--header=Authorization: Bearer {token}",
                "--checks=all",
                "--continue-on-failure",
                "--no-color",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Selected: (\d+)/\1\b", done.stdout), done.stdout
    assert re.search(r"[1-9]\d* generated, [1-9]\d* passed", done.stdout), done.stdout
