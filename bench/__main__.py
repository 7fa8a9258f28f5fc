"""Make a node with a real Postfix, measure there, and write bench/results.json.

All that talks over the network runs in a network namespace of its own, so the machine's ports,
interfaces and Postfix have no part in it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from bench import node
from bench.figures import Figure, as_json, as_table

RESULTS = Path(__file__).with_name("results.json")
PATIENCE = 900.0
"""Seconds for all of it."""


def main(*only: str) -> int:
    """Measure, print and write; the exit code is 0 if everything was measured.

    Args:
        only: of `throughput`, `start`, `acceptance`, `burst`, `rows` and `rendering` what to
            measure; the figures of the others stay as they were.
    """
    # An end from outside takes the namespace away all the same.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if os.geteuid() != 0:
        print("bench: it makes a network namespace, so it needs root.", file=sys.stderr)
        return 2
    began = time.monotonic()
    try:
        with node.made() as bench:
            told = bench.run("bench.inside", str(bench.folder), *only, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        print(f"bench: it took more than {PATIENCE:.0f} s; is the machine busy?", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError:
        return 1  # it has told why
    figures = {name: Figure(**figure) for name, figure in json.loads(told).items()}
    before = json.loads(RESULTS.read_text(encoding="utf-8")) if only and RESULTS.exists() else {}
    RESULTS.write_text(as_json(before, figures), encoding="utf-8")
    print(as_table(figures))
    print(f"\nMeasured in {time.monotonic() - began:.0f} s, written to bench/{RESULTS.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
