"""`python -m bench.inside FOLDER`: measures in the namespace, and prints the figures as JSON."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median

from bench import desk, load, rendering, rows, step, studio
from bench.client import Client, large_report, post_all, wait_for_ready
from bench.figures import Figure
from bench.service import Service

MAILS = 300
"""In each of the ROUNDS."""
ROUNDS = 5
CONNECTIONS = 10
"""Of the callers, and of smtp-source."""
STARTS = 5


def main() -> None:
    """Measure all parts, one after the other, or the named ones alone."""
    folder, only = Path(sys.argv[1]), sys.argv[2:]
    service = Service(folder)
    parts: dict[str, Callable[[], dict[str, Figure]]] = {
        "throughput": lambda: throughput(service),
        "start": lambda: starts(service),
        "acceptance": lambda: load.steady(service),
        "load": lambda: load.under_load(service),
        "step": lambda: step.figures(service, folder),
        "previews": lambda: load.beside_previews(service),
        "authors": lambda: studio.authors(service, folder),
        "reload": lambda: studio.reload(service, folder),
        "burst": lambda: load.burst(service, folder / "postfix" / "mail.log"),
        "rows": lambda: rows.figures(folder),
        "rendering": rendering.figures,
        "desk": lambda: desk.figures(folder),
    }
    figures: dict[str, dict[str, object]] = {}
    if unknown := set(only) - parts.keys():
        sys.exit(
            f"bench: there is no part {', '.join(sorted(unknown))}; there are: {', '.join(parts)}."
        )
    for part in only or parts:
        say(f"{part} …")
        figures |= {name: asdict(figure) for name, figure in parts[part]().items()}
    print(json.dumps(figures))


def throughput(service: Service) -> dict[str, Figure]:
    """Measure from the first POST to Postfix' 250 for the last mail, against Postfix' client.

    Everything is on: the report is rendered, committed, and followed in Postfix' log.
    """
    ours, theirs = [], []
    with service.running() as base:
        wait_for_ready(base)
        size = _size_of_mail(base)
        post_all(base, count=50, connections=CONNECTIONS, job="warm-up")
        wait_for_empty_queue()
        for number in range(ROUNDS):
            theirs.append(MAILS / smtp_source(MAILS, size))
            wait_for_empty_queue()
            ours.append(MAILS / post_all(base, MAILS, CONNECTIONS, job=f"round-{number}"))
            wait_for_empty_queue()
            say(f"round {number + 1}: {ours[-1]:.0f} mails/s, smtp-source {theirs[-1]:.0f}")
    return {"post_to_250_throughput": Figure(median(ours), median(theirs), "mails/s")}


def _size_of_mail(base: str) -> int:
    """Return the bytes of a mail, from the service's history."""
    client = Client(base)
    answer = client.post_body(large_report("size", 1))
    url = answer["status_url"]
    while True:
        history = json.loads(client.get(url))["history"]
        sizes = [event["note"] for event in history if event["note"].endswith(" bytes")]
        if sizes:
            return int(sizes[0].split()[0])
        time.sleep(0.05)


def say(progress: str) -> None:
    """Print the progress to standard error; standard output is for the figures."""
    print(f"  {progress}", file=sys.stderr, flush=True)


def smtp_source(count: int, size: int) -> float:
    """Send mails with Postfix' load generator, and return the seconds that it took."""
    people = ("-f", "jenkins@ci.example.com", "-t", "ada@example.com")
    load = ("-s", str(CONNECTIONS), "-m", str(count), "-l", str(size))
    began = time.perf_counter()
    subprocess.run(["smtp-source", *load, *people, "127.0.0.1:25"], check=True, timeout=60)
    return time.perf_counter() - began


def wait_for_empty_queue() -> None:
    """Wait until Postfix has relayed everything: the rest would slow the next round."""
    for _ in range(300):
        listed = subprocess.run(["postqueue", "-p"], capture_output=True, text=True, check=True)
        if "is empty" in listed.stdout:
            return
        time.sleep(0.1)
    raise TimeoutError("Postfix' queue did not become empty within 30 s.")


def starts(service: Service) -> dict[str, Figure]:
    """Measure from exec to the first 200 of /readyz, against importing the service's libraries."""
    ours, theirs = [], []
    for _ in range(STARTS):
        began = time.perf_counter()
        with service.running() as base:
            wait_for_ready(base)
            ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        imports = [sys.executable, "-c", "import fastapi, uvicorn, sqlalchemy"]
        subprocess.run(imports, check=True, timeout=60)
        theirs.append(time.perf_counter() - began)
    say(f"{STARTS} starts measured")
    return {"start_to_ready": Figure(median(ours), median(theirs), "s")}


if __name__ == "__main__":
    main()
