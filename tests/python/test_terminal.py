"""terminal.py: a text as a terminal shows it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyservice.terminal import Colour, Span, plain, spans
from tests.builders.growth import cpu_seconds, is_at_most


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no sequence\tat all\n", "no sequence\tat all\n"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b[38:2::255:0:0mred\x1b[m", "red"),
        ("\x1b[?25lhidden cursor\x1b[?25h", "hidden cursor"),
        ("\x1b[2 qsteady block", "steady block"),
        ("\x1b[>4;2mkeys\x1b[!p", "keys"),
        ("\x9b31mred in 8 bits\x9b0m, \x9bmgo on\x9bK", "red in 8 bits, go on"),
        ("\x8bquoted in Windows-1252\x9b and so on", "quoted in Windows-1252 and so on"),
        ("cut off \x1b[31", "cut off "),
        ("cut off \x1b", "cut off "),
        ("caf\x1b[1é", "café"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;https://ci.example.com/?a=1\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;Y3VybA==\x9ctext", "text"),
        ("\x9d0;title\x07text", "text"),
        ("\x1bP1$r0m\x1b\\DCS, \x1bXhidden\x1b\\SOS, \x1b^hidden\x1b\\PM", "DCS, SOS, PM"),
        ("\x1b_hidden\x1b\\APC", "APC"),
        ("\x1b]0;never ended\nnext line", "\nnext line"),
        ("\x9dnever ended", "never ended"),
        ("bold\x1b(B\x1b[m", "bold"),
        ("\x1b%G\x1b#8\x1b7\x1b=\x1bcreset", "reset"),
        ("\x1b[8mha:////4AbC+/dEf==\x1b[0mStarted by \x1b[8mha:AAA=\x1b[0mada", "Started by ada"),
        ("\x1b[8mha:////4AbC+/dEf", ""),
        ("nul\0 bell\x07 del\x7f\x80", "nul bell del"),
        ("a\u202eb\u2066c\ud800", "abc"),
        ("Stra\xc3\x9fe, sch\xc3\xb6n, \xc3\x9cber", "Stra\xc3e, sch\xc3\xb6n, \xc3ber"),
    ],
)
def test_sequences_go(text: str, shown: str) -> None:
    """All of ECMA-48 goes, and what it wraps; also a sequence that was cut off."""
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\r\nlines\r\n", "two\nlines\n"),
        ("10 %\r50 %\r100 %", "100 %"),
        ("10 %\r50 %\r", "50 %"),
        ("Receiving: 99\rdone", "doneiving: 99"),
        ("Receiving: 99\rdone\x1b[K", "done"),
        ("Receiving: 99\r\x1b[Jdone", "done"),
        ("Receiving: 99\r\x1b[2Kdone", "done"),
        ("Receiving: 99\x1b[2K\x1b[1Gdone", "done"),
        ("Receiving: 99\x1b[1K\rdone", "done"),
        ("Receiving: 99\x1b[1J\rdone", "done"),
        ("Receiving: 99\x1b[3D\x1b[1K\rdone", "done       99"),
        ("Receiving: 99\r             \rdone", "done"),
        ("Receiving\x1b[1000Ddone", "doneiving"),
        ("\x1b[1m1/2\x1b[0m\r\x1b[1m2/2\x1b[0m\nnext\x1b[K", "2/2\nnext"),
        ("[\x1b[6Cok\x1b[3D!", "[     !ok"),
        ("N\bNA\bAME", "NAME"),
        ("|\b/\b-\b\\\bdone", "done"),
        ("a\x1b[99999999999999999999Gb", "a" + " " * 199 + "b"),
        ("a\x1b[?Gb\x1b[1;2Dc\x1b[3Kd", "abcd"),
    ],
)
def test_the_last_state_of_a_line_stays(text: str, shown: str) -> None:
    """A line that is written over is what a terminal shows in the end."""
    assert plain(text) == shown


@given(st.text(st.sampled_from("\x1b[]PX0;8mhaKGD(\\\x07\x9b\x9c\x9d\r\b\n\té ") | st.characters()))
def test_nothing_unprintable_is_left(text: str) -> None:
    """Whatever comes in, a second pass finds nothing, and no line is lost."""
    shown = plain(text)
    assert not set(shown) & {chr(code) for code in (*range(9), *range(11, 32), *range(127, 160))}
    assert plain(shown) == shown
    assert shown.count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "\x1b",
            "\x1b[",
            "\x1b]",
            "\x1b]a\x1b",
            "\x1b(",
            "\x1b[0",
            "\x1b[8mha:",
            "\x9d",
            "\x9da",
            "\x9b0",
        ),
        *("\x9b0m", "\r", "x\r", "x\b", "\x1b[2Kx", "\x1b[200Cx", "x\x1b[1D", "x\x1b[K\x1b[200G"),
    ],
)
def test_the_time_grows_with_the_text_only(unit: str) -> None:
    """Eight times the text takes about eight times as long, and not sixty-four times."""

    most = 24 * max(cpu_seconds(lambda: plain(unit * 2000)), 0.0005)
    assert is_at_most(most, lambda: plain(unit * 16_000))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("", ()),
        ("plain", (Span("plain"),)),
        ("\x1b[31mred\x1b[0m, plain", (Span("red", "red"), Span(", plain"))),
        (
            "\x1b[1;91mbold\x1b[22m red",
            (Span("bold", "bright-red", True), Span(" red", "bright-red")),
        ),
        ("\x1b[32mgreen\x1b[39m plain\x1b[m", (Span("green", "green"), Span(" plain"))),
        ("\x1b[1mbold\x1b[m plain", (Span("bold", None, True), Span(" plain"))),
        ("\x1b[7m\x1b[2m\x1b[4mother styles", (Span("other styles"),)),
        ("\x1b[41;37mon red", (Span("on red", "white"),)),
        ("\x1b[48;5;196mon red", (Span("on red"),)),
        ("\x1b[48;2;1;2;31mnot red", (Span("not red"),)),
        ("\x1b[48;5;9;32mgreen on red", (Span("green on red", "green"),)),
        ("\x9b35min 8 bits\x9b0m", (Span("in 8 bits", "magenta"),)),
        ("\x1b[31mred\x1b[K\x1b]8;;https://x\x1b\\link", (Span("redlink", "red"),)),
        ("\x1b[31m10 %\r\x1b[32m100 %", (Span("100 %", "green"),)),
        ("\x1b[31mab\b\x1b[32mc", (Span("a", "red"), Span("c", "green"))),
        ("\x1b[33m", ()),
        ("\x1b[99;;x\x1b[38mnothing\x1b[38;5mknown\x1b[38;9;31m", (Span("nothingknown"),)),
    ],
)
def test_colours(line: str, shown: tuple[Span, ...]) -> None:
    """A line keeps the colours of its letters, and what is bold; all else goes."""
    assert spans(line) == shown


@pytest.mark.parametrize(
    ("parameters", "colour"),
    [
        ("38;5;1", "red"),
        ("38;5;12", "bright-blue"),
        ("38;5;196", "bright-red"),
        ("38;5;34", "green"),
        ("38;5;240", "bright-black"),
        ("38;5;255", "white"),
        ("38;5;16", "black"),
        ("38;2;250;5;5", "bright-red"),
        ("38:2::0:200:10", "green"),
        ("38:2:0:200:10", "green"),
        ("38:5:34", "green"),
        ("38;5;256", None),
        ("38;2;300;0;0", None),
        ("38;2;1", None),
        ("38;5", None),
        ("38", None),
    ],
)
def test_the_nearest_colour(parameters: str, colour: Colour | None) -> None:
    """Of 256 and of all colours, each is shown as the nearest of 16; unknown ones as none."""
    assert spans(f"\x1b[{parameters}mx") == (Span("x", colour),)


@given(
    st.lists(
        st.sampled_from(
            ["\x1b[", "1", "31", "38;5;200", "m", ";", "x", "\r", "\b", "K", " ", "\x9b"]
        )
    )
)
def test_the_same_text_with_colours(parts: list[str]) -> None:
    """The spans of a line are its text as a terminal shows it."""
    line = "".join(parts)
    assert "".join(span.text for span in spans(line)) == plain(line)
