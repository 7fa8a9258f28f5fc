"""What replies of mail servers mean for a mail, and what to do. The first rule that fits counts.

RFC 3463 has the enhanced status codes; the words are Postfix', and those of usual mail servers.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """What certain words in a reply mean."""

    words: str
    """A regular expression, for any case of letters."""
    why: str
    todo: str
    finding: str = ""
    """The ID of the doctor's finding, whose cure is the command."""
    command: str = ""


_TOO_LARGE = r"\b5\.3\.4\b|\b552\b|message (size )?(exceeds|too (big|large))|message file too big"
_ANY = ""

BY_POSTFIX = (
    Rule(
        r"^(?!\d{3} ).*connection refused",
        "Nothing listens where the service looks for Postfix.",
        "Start Postfix. The service tries again by itself; retry if you don't want to wait.",
        "postfix-down",
    ),
    Rule(
        r"^(?!\d{3} ).*(timed out|no route|unreachable)",
        "Postfix does not answer: it is overloaded, or a firewall drops the packets.",
        "Let the doctor walk the path to Postfix.",
        command="notify-email doctor",
    ),
    Rule(
        r"greets with|answers EHLO",
        "What listens there is not Postfix, or refuses this service.",
        "See which program listens, and correct NOTIFY_EMAIL_SMTP_HOST and NOTIFY_EMAIL_SMTP_PORT.",
        command="notify-email doctor",
    ),
    Rule(
        r"^(?!\d{3} ).*(connection lost|unexpectedly closed|service is stopping)",
        "The connection ended before Postfix had the mail.",
        "The service tries again by itself. If it happens again, Postfix' log says why.",
        command="journalctl -u 'postfix*' -n 50 --no-pager",
    ),
    Rule(
        r"relay access denied",
        "The address that the service comes from is not in Postfix' mynetworks, so Postfix relays "
        "nothing for it.",
        "Let Postfix relay for this machine, then retry.",
        "relay-denied",
        "notify-email relay plan",
    ),
    Rule(
        r"client host rejected",
        "A restriction list of Postfix refuses the address that the service comes from.",
        "Put permit_mynetworks first in Postfix' restriction lists, then retry.",
        "client-refused",
        "notify-email doctor",
    ),
    Rule(
        r"sender address rejected|bad sender address",
        "Postfix does not take mail from the address in NOTIFY_EMAIL_SENDER: usually its domain "
        "does not exist in DNS, or is not allowed there.",
        "Set NOTIFY_EMAIL_SENDER to an address whose domain exists, reload the service, and send "
        "the mail again. A mail that is made keeps its sender.",
        "sender-refused",
    ),
    Rule(
        r"insufficient system storage|\b4\.3\.1\b",
        "The disk with Postfix' queue is full.",
        "Make room. The service tries again by itself.",
        "disk-full",
    ),
    Rule(
        r"too many connections|too many errors|rate limit",
        "Postfix limits the connections of one client.",
        "Raise smtpd_client_connection_count_limit in Postfix' main.cf. The service tries again by "
        "itself.",
        command="postconf smtpd_client_connection_count_limit smtpd_client_message_rate_limit",
    ),
    Rule(
        r"greylist|postgrey|try again later",
        "The server takes mail from an unknown sender only at a later attempt (greylisting).",
        "Nothing: the next attempt usually succeeds. A server on this node needs no greylisting.",
    ),
    Rule(
        r"domain not found|host not found|name service error|\b[45]\.1\.2\b",
        "The recipient's domain does not exist in DNS, or DNS does not answer on this node.",
        "Correct the address in the Jenkinsfile, or mend DNS on this node, then retry.",
        command="getent hosts DOMAIN",
    ),
    Rule(
        r"user unknown|\b5\.1\.1\b|recipient address rejected|no such user",
        "Postfix knows no such recipient.",
        "Correct the address in the Jenkinsfile, and send the mail again to the right one.",
    ),
    Rule(
        _TOO_LARGE,
        "The mail is larger than Postfix takes (message_size_limit).",
        "Attach less, lower NOTIFY_EMAIL_MAX_ATTACHMENT_BYTES, or raise the limit in main.cf.",
        command="postconf message_size_limit",
    ),
    Rule(
        r"^4\d\d ",
        "Postfix refuses it for now.",
        "The service tries again by itself. If it stays so, Postfix' log says more.",
        command="journalctl -u 'postfix*' -n 50 --no-pager",
    ),
    Rule(
        _ANY,
        "A rule of Postfix refuses the mail.",
        "Read Postfix' words below, change its restrictions or the mail, then retry.",
        "rejected",
    ),
)
"""What the node's own Postfix answers the service, or why it doesn't."""

BY_RELAY_HOST = (
    Rule(
        r"sasl|authentication (failed|required)|\b5\.7\.(0|8|9)\b.*auth",
        "The relay host wants Postfix to log in, and does not take its password.",
        "Correct smtp_sasl_password_maps on this node, and let Postfix try again.",
        command="postqueue -f",
    ),
    Rule(
        r"\btls\b|certificate|ssl",
        "Postfix and the relay host do not agree on encryption.",
        "Compare smtp_tls_security_level and the relay host's certificate, and let Postfix try "
        "again.",
        command="postconf -n | grep smtp_tls",
    ),
    Rule(
        r"relay access denied|relaying denied|not permitted to relay|unable to relay",
        "The relay host relays nothing for this node.",
        "Ask its administrator to let this node's address relay, or correct relayhost. Then send "
        "the mail again.",
        command="postconf relayhost",
    ),
    Rule(
        r"sender address rejected|\bspf\b|\bdmarc\b|\bdkim\b|5\.7\.(2[0-9]|1 .*sender)",
        "The recipient's server does not take mail from this sender through this relay host.",
        "Use a NOTIFY_EMAIL_SENDER whose domain permits the relay host (SPF, DKIM).",
        "sender-refused",
    ),
    Rule(
        r"host or domain name not found|name service error|host not found|\b5\.4\.4\b",
        "DNS has no server under this name, or does not answer on this node. Without a relayhost "
        "Postfix looks for the recipient's own server.",
        "Correct the recipient's domain, relayhost, or DNS on this node.",
        command="postconf relayhost",
    ),
    Rule(
        r"user unknown|unknown user|no such (user|recipient)|does not exist|mailbox unavailable|"
        r"\b5\.1\.[01]\b|recipient address rejected|invalid recipient",
        "There is no mailbox with this address.",
        "Correct the address in the Jenkinsfile, or deny it by NOTIFY_EMAIL_DENIED_RECIPIENTS, and "
        "send the mail again to the right one.",
    ),
    Rule(
        r"greylist|postgrey|try again later|\b4\.7\.1\b",
        "The server takes mail from an unknown sender only at a later attempt (greylisting).",
        "Nothing: Postfix tries again, and usually succeeds within the hour.",
    ),
    Rule(
        r"connection refused|timed out|no route|network is unreachable|lost connection|"
        r"connection reset",
        "Postfix does not reach the relay host.",
        "See whether the relay host is up, and whether a firewall keeps this node from it. Postfix "
        "tries again by itself.",
        "deferred",
    ),
    Rule(
        r"mailbox (is )?full|over quota|quota exceeded|\b[45]\.2\.2\b",
        "The recipient's mailbox is full.",
        "The recipient must make room; then send the mail again.",
    ),
    Rule(
        _TOO_LARGE,
        "The mail is larger than the recipient's server takes.",
        "Attach less, or lower NOTIFY_EMAIL_MAX_ATTACHMENT_BYTES, and send the mail again.",
    ),
    Rule(
        r"spam|block(ed|list)|blacklist|reputation|\b5\.7\.1\b|policy",
        "The recipient's server refuses the mail by its policy, as for spam.",
        "Read its words below: they usually name a list or an address to write to.",
    ),
    Rule(
        r"\b4\d\d[ -]|\b4\.\d\.\d",
        "The relay host refuses it for now.",
        "Postfix tries again by itself, for five days unless it is configured otherwise.",
        "deferred",
    ),
    Rule(
        _ANY,
        "The relay host refused it for good.",
        "Read its words below. Once the cause is mended, send the mail again.",
        "bounced",
    ),
)
"""What the relay host, or the recipient's server, answers Postfix, by its log."""
