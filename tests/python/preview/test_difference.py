"""difference.py: a person sees what differs, and where."""

from pyservice.preview.difference import MAX_LINES, Line, compare
from tests.builders.growth import is_at_most


def test_equal_texts_have_no_lines() -> None:
    difference = compare("one\ntwo\n", "one\ntwo")
    assert difference.lines == ()
    assert (difference.removed, difference.added, difference.is_cut) == (0, 0, False)


def test_a_changed_line_stands_between_equal_ones_with_both_numbers() -> None:
    before = "\n".join(f"line {n}" for n in range(1, 21))
    difference = compare(before, before.replace("line 10\n", "line ten\nand more\n"))
    assert difference.lines == (
        Line("gap"),
        *(Line("same", f"line {n}", n, n) for n in (7, 8, 9)),
        Line("removed", "line 10", before=10),
        Line("added", "line ten", after=10),
        Line("added", "and more", after=11),
        *(Line("same", f"line {n}", n, n + 1) for n in (11, 12, 13)),
    )
    assert (difference.removed, difference.added) == (1, 2)


def test_html_in_one_line_is_compared_by_its_elements() -> None:
    before = "".join(f"<p>{n}</p>" for n in range(100))
    shown = [line.text for line in compare(before, before.replace("50", "fifty")).lines]
    assert "<p>fifty</p>" in shown
    assert "<p>40</p>" not in shown


def test_long_texts_are_compared_as_far_as_it_is_quick() -> None:
    """Also texts that are the worst for the algorithm: few different lines, many times."""
    before = "\n".join("ab"[n % 2] for n in range(50_000))
    after = "\n".join("ab"[n * n % 3 % 2] for n in range(50_000))
    difference = compare(before, after)
    assert difference.is_cut
    assert len(difference.lines) <= 2 * MAX_LINES
    assert is_at_most(2, lambda: compare(before, after))
    unlike = [f"{n}" for n in range(50_000)]
    one, other = "\n".join(unlike), "\n".join(reversed(unlike))
    assert is_at_most(2, lambda: compare(one, other))


def test_a_text_that_was_made_to_be_compared_slowly() -> None:
    """Each line is too rare to be passed over, and common enough to be found in many places."""
    before, after = (
        "\n".join(line for n in range(10_000) for line in (f"{n % 50}", f"{side} {n}"))
        for side in ("before", "after")
    )
    assert compare(before, after).is_cut
    assert is_at_most(2, lambda: compare(before, after))


def test_a_small_difference_in_long_texts_is_found_wherever_it_is() -> None:
    lines = [f"line {n}" for n in range(50_000)]
    changed = [*lines[:40_000], "new", *lines[40_001:]]
    difference = compare("\n".join(lines), "\n".join(changed))
    assert not difference.is_cut
    assert Line("removed", "line 40000", before=40_001) in difference.lines
    assert difference.lines[0] == Line("gap")
    assert len(difference.lines) == 2 * 3 + 3
