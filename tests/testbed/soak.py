"""`make soak`: the service is killed and disturbed for hours, and a table says what arrived.

KILLS is how often it is killed, LOAD for how many seconds other things break in turn. The exit code
is 1 if a report was lost, or doubled without a note in its history. Ctrl-C ends it, and prints the
table so far.
"""

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from tests.testbed.disk import SmallDisk
from tests.testbed.judge import STEPS
from tests.testbed.machine_faults import ROTATIONS, Clock, locked
from tests.testbed.network import Testbed
from tests.testbed.tally import Count
from tests.testbed.trial import LOSSY, Trial

KILLS_A_ROUND = 25
COLUMNS = ("times", "sent", "arrived", "doubled, noted", "doubled, unnoted", "by Postfix", "lost")


@dataclass
class Soak:
    """Rounds, each with a new outbox, callers, a fault and a count."""

    trial: Trial
    disk: SmallDisk
    clock: Clock
    chance: random.Random
    table: dict[str, Counter[str]] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def round(self, name: str, fault: Callable[["Soak"], None], times: int = 1) -> None:
        """Run one round with a fault, and add its figures to the table."""
        testbed = self.trial.testbed
        testbed.reset()
        for file in self.disk.seen.glob("outbox.db*"):
            file.unlink()
        self.trial.accepted.clear()
        self.trial.refusals.clear()
        outbox = f"sqlite:///{self.disk.folder}/outbox.db"
        by = (*self.disk.by, *self.clock.by)
        self.trial.start(by=by, database_url=outbox, smtp_port=str(LOSSY))
        with self.trial.load():
            time.sleep(self.chance.uniform(0.2, 1))
            fault(self)
            time.sleep(self.chance.uniform(0.2, 1))
        self._add(name, times, self.trial.count())

    def _add(self, name: str, times: int, count: Count) -> None:
        figures = (
            *(times, count.sent, count.arrived),
            *map(len, (count.noted, count.unnoted, count.by_postfix, count.lost)),
        )
        row = self.table.setdefault(name, Counter())
        row.update(dict(zip(COLUMNS, figures, strict=True)))
        bad = "" if count.is_good else f"  LOST {count.lost} UNNOTED {count.unnoted}"
        passed = timedelta(seconds=round(time.monotonic() - self.began))
        say(f"{passed}  {name}: sent {count.sent}, arrived {count.arrived}{bad}")

    def report(self) -> bool:
        """Print the table; return whether no report was lost, or doubled without a note."""
        if not self.table:
            return True
        total: Counter[str] = Counter()
        for row in self.table.values():
            total.update(row)
        say("\n" + f"{'fault':<34}" + "".join(f"{column:>17}" for column in COLUMNS))
        for name, row in {**self.table, "all": total}.items():
            say(f"{name:<34}" + "".join(f"{row[column]:>17}" for column in COLUMNS))
        return not total["lost"] and not total["doubled, unnoted"]


def _kill(soak: Soak, times: int = 1) -> None:
    for _ in range(times):
        time.sleep(soak.chance.uniform(0, 0.4))
        soak.trial.restart(kill=True)


def _end(soak: Soak) -> None:
    code = soak.trial.restart()
    assert code == 0, f"It ended with {code}."


def _stop_postfix(soak: Soak) -> None:
    soak.trial.testbed.postfix.stop()
    time.sleep(soak.chance.uniform(0, 3))
    soak.trial.testbed.postfix.start()


def _reload_postfix(soak: Soak) -> None:
    soak.trial.testbed.postfix.reload()


def _refuse(soak: Soak) -> None:
    reply = soak.chance.choice(("450 4.2.0 later", "451 4.3.0 later", "452 4.3.1 later", "421 bye"))
    soak.trial.verdict(soak.chance.choice(list(STEPS)), reply)
    time.sleep(soak.chance.uniform(0.5, 2))
    soak.trial.acquit()


def _hang(soak: Soak) -> None:
    soak.trial.verdict(soak.chance.choice(list(STEPS)), "hang 3")
    time.sleep(4)
    soak.trial.acquit()


def _lose(soak: Soak) -> None:
    for _ in range(3):
        soak.trial.lose_a_reply()


def _fill(soak: Soak) -> None:
    soak.disk.fill()
    time.sleep(soak.chance.uniform(0.5, 3))
    soak.disk.clear()


def _lock(soak: Soak) -> None:
    with locked(soak.disk.seen / "outbox.db"):
        time.sleep(soak.chance.uniform(0.5, 6))


def _move_the_clock(soak: Soak) -> None:
    for hours in (soak.chance.randint(-12, 12), 0):
        soak.clock.move(hours)
        time.sleep(1)


def _rotate(soak: Soak) -> None:
    ROTATIONS[soak.chance.choice(list(ROTATIONS))](soak.trial.testbed.postfix)


FAULTS: dict[str, Callable[[Soak], None]] = {
    "the service is stopped": _end,
    "Postfix is stopped and started": _stop_postfix,
    "Postfix is reloaded": _reload_postfix,
    "Postfix refuses for a while": _refuse,
    "Postfix hangs": _hang,
    "replies to the final dot are lost": _lose,
    "the disk is full": _fill,
    "the outbox is locked": _lock,
    "the clock is moved": _move_the_clock,
    "the log is rotated": _rotate,
}


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Soak, and print the table."""
    kills, load = int(os.environ.get("KILLS", "10000")), float(os.environ.get("LOAD", "3600"))
    seed = int(os.environ.get("SEED", str(time.time_ns() % 10**6)))
    say(f"{kills} kills, then other faults for {load:g} s; SEED={seed}")
    was_interrupted = False
    with Testbed() as testbed, Trial(testbed) as trial:
        disk, clock = SmallDisk(testbed, "512m"), Clock(testbed.folder)
        soak = Soak(trial, disk, clock, random.Random(seed))
        try:
            while kills > 0:
                times = min(kills, KILLS_A_ROUND)
                soak.round("the service is killed", partial(_kill, times=times), times)
                kills -= times
            ends = time.monotonic() + load
            while time.monotonic() < ends:
                name = soak.chance.choice(list(FAULTS))
                soak.round(name, FAULTS[name])
        except KeyboardInterrupt:
            was_interrupted = True
        is_good = soak.report()
    return 130 if was_interrupted and is_good else int(not is_good)


if __name__ == "__main__":
    sys.exit(main())
