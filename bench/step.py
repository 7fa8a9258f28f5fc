"""How long `notifyEmail` holds a build up: our Groovy under the real CPS transformer."""

import json
import os
import subprocess
import time
from pathlib import Path
from statistics import mean

from bench.client import Client, post_all, wait_for_ready
from bench.figures import Figure
from bench.service import Service

ROOT = Path(__file__).parents[1]
BUILD = "2-compile-error"
"""A failing build with the facts that a trusted library reads from inside."""
WARM_UP = 30
CALLS = 60
"""A build may send a hundred reports."""
_PIPELINE = """
def took = []
for (int number = 0; number < %d; number++) {
    long began = System.currentTimeMillis()
    notifyEmail(to: 'ada@example.com', subject: "call ${number}")
    took.add(System.currentTimeMillis() - began)
}
return took
"""
_OPENED = ("java.lang", "java.util", "java.lang.reflect", "java.net")


def figures(service: Service, folder: Path) -> dict[str, Figure]:
    """Measure a call of a trusted library, one after the other, against posting the same report.

    The library runs in the tests' harness: Jenkins' own objects are doubles that answer at once
    what was recorded, so what a real controller takes to read a build is not in it.
    """
    body = (ROOT / "tests" / "contract" / f"inside-{BUILD}.json").read_bytes()
    with service.running() as base:
        wait_for_ready(base)
        post_all(base, count=50, connections=10, job="warm-up of the step")
        client = Client(base)
        posts = []
        for number in range(CALLS):
            report = json.loads(body) | {
                "mail": {"to": ["ada@example.com"], "subject": f"{number}"}
            }
            began = time.perf_counter()
            client.post_body(json.dumps(report).encode())
            posts.append(time.perf_counter() - began)
        calls = _calls(base, folder)
    return {"step_call": Figure(mean(calls), 1000 * mean(posts), "ms")}


def _calls(base: str, folder: Path) -> list[int]:
    """Return the milliseconds of each call, after those that warm up."""
    pipeline = folder / "Pipeline.groovy"
    pipeline.write_text(_PIPELINE % (WARM_UP + CALLS))
    libraries = (ROOT / "target" / "test-classpath.txt").read_text().strip()
    done = subprocess.run(
        [
            "java",
            *(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _OPENED),
            "-Dfile.encoding=UTF-8",
            *("-cp", f"target/test-classes{os.pathsep}{libraries}"),
            "harness.RunPipeline",
            *("--inside", BUILD, "--trusted", "--pipeline", str(pipeline)),
            *("--global", f"NOTIFY_EMAIL_URL={base}"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["outcome"] == "SUCCESS", result
    assert not result["mails"], "the step fell back to Jenkins' own mail"
    took: list[int] = result["returned"]
    return took[WARM_UP:]
