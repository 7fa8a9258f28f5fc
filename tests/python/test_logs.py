"""logs.py: masks addresses, and lets few of many equal lines through."""

import pytest

from pyservice import logs


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("bob@example.com", "…@example.com"),
        ("to=<bob.b+x@example.com>, relay=none", "to=<…@example.com>, relay=none"),
        ("a@b@example.com: no", "…@example.com: no"),
        ("@example.com a@ @ @@", "@example.com a@ @ @@"),
        ("@@example.com", "…@example.com"),
        ("user:pass@host b@c,d@e", "user:…@host …@c,…@e"),
        ("no address", "no address"),
    ],
)
def test_mask(text: str, masked: str) -> None:
    """Of an address only the domain is left."""
    assert logs.mask(text) == masked


def test_throttle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is logged, and then one in ten seconds, with the number of those in between."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    throttle = logs.Throttle()
    assert [throttle.times() for _ in range(4)] == [1, 0, 0, 0]
    now[0] += 10
    assert [throttle.times() for _ in range(2)] == [4, 0]
    now[0] += 100
    assert throttle.times() == 2
