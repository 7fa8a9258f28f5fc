"""setup/relay/relay_host.py: what Postfix would take at first, and no mail would pass."""

import pytest

from pyservice.errors import SetupError
from tests.builders.relay import IN_SYNC, planned


@pytest.mark.parametrize(
    "value",
    [
        "smtp.example.com",
        "smtp.example.com:587",
        "[smtp.example.com]:587",
        "[smtp.example.com]:submission",
        "mx",
        "mx1,[mx2]:25",
        "10.0.0.5",
        "[10.0.0.5]:2525",
        "[2001:db8::1]:25",
        "[ipv6:2001:db8::1]",
        "smtp_relay.example.com",
        "$mydomain",
    ],
)
def test_a_relay_host(value: str) -> None:
    """All that Postfix can send to is allowed."""
    assert planned(IN_SYNC, relayhost=value).parameters == {"relayhost": value}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("http://smtp", "is a URL, and Postfix takes a host. Do you mean [smtp]?"),
        ("smtp://smtp.example.com:587/", "is a URL, .* Do you mean [smtp.example.com]:587?"),
        ("HTTPS://ci@mx.example.com/x", "is a URL, .* Do you mean [mx.example.com]?"),
        ("mailto:ops@example.com", "is a URL, .* Do you mean [example.com]?"),
        ("ci@smtp.example.com:587", "--sasl-password-file. Do you mean smtp.example.com:587?"),
        ("smtp.example.com:99999", "neither a number up to 65535 .* [smtp.example.com]?"),
        ("smtp.example.com:0", "has no port"),
        ("smtp.example.com:", "has no port"),
        ("smtp.example.com:smpt", "'smpt' is neither"),
        ("2001:db8::1", "is an IPv6 address without brackets. Do you mean [2001:db8::1]?"),
        ("[smtp.example.com:587", "is no host. Do you mean [smtp.example.com]:587?"),
        ("[smtp.example.com]587", "is no host"),
        ("smtp.example.com.", "is no host. Do you mean smtp.example.com?"),
        ("-smtp.example.com", "Write it like [smtp.example.com]:587."),
        ("300.1.1.1", "is no host"),
        ("smtp.bücher.example", "Do you mean [smtp.xn--bcher-kva.example]?"),
        ("[]", "is no host"),
        ("mx1,http://mx2", "--relayhost 'http://mx2' is a URL"),
        ("smtp.example.com 587", "give one word"),
        (" smtp.example.com", "give one word"),
    ],
)
def test_no_relay_host(value: str, message: str) -> None:
    """The error names the mistake, and what is likely meant."""
    with pytest.raises(SetupError) as raised:
        planned(IN_SYNC, relayhost=value)
    for part in message.split(" .* "):
        assert part in str(raised.value)


@pytest.mark.parametrize("name", ["myhostname", "myorigin"])
def test_no_domain(name: str) -> None:
    """A URL or an address is no domain; a file and a reference are left to Postfix."""
    for value in ("https://ci.example.com/", "ops@ci.example.com", "mailto:ops@ci.example.com"):
        with pytest.raises(SetupError, match=rf"--{name} .* Do you mean ci\.example\.com\?"):
            planned(IN_SYNC, **{name: value})
    assert planned(IN_SYNC, **{name: "$mydomain"}).parameters
