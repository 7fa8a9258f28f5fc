"""Makes a node with a real Postfix, measures there, and writes bench/results.json.

Everything runs in a network namespace. The machine's ports, interfaces and Postfix aren't used.
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
TIMEOUT = 900.0
"""Seconds for all parts."""


def main(*only: str) -> int:
    """Measure, print and write the figures; return 0 if all was measured.

    Args:
        only: of `throughput`, `start`, `acceptance`, `load`, `step`, `previews`, `authors`,
            `reload`, `burst`, `rows`, `rendering` and `desk` those to measure; the figures of the
            others stay as they were.
    """
    # SIGTERM must remove the namespace, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if os.geteuid() != 0:
        print("bench: run it as root, since it makes a network namespace.", file=sys.stderr)
        return 2
    began = time.monotonic()
    try:
        with node.made() as bench:
            output = bench.run("bench.inside", str(bench.folder), *only, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        print(f"bench: it took more than {TIMEOUT:.0f} s; is the machine busy?", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError:
        return 1  # it has printed the reason
    figures = {name: Figure(**figure) for name, figure in json.loads(output).items()}
    before = json.loads(RESULTS.read_text(encoding="utf-8")) if only and RESULTS.exists() else {}
    RESULTS.write_text(as_json(before, figures), encoding="utf-8")
    print(as_table(figures))
    print(f"\nMeasured in {time.monotonic() - began:.0f} s, written to bench/{RESULTS.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
