"""What secrets look like: detect-secrets' patterns, and ours.

Every pattern runs in RE2, which takes linear time whatever pattern and text it gets. Patterns of
detect-secrets are used as they are. Left out are those that RE2 can't compile, since they look
around, and those that match commits, class names or a whole line; ours have what is worth masking
of them.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module

from pyservice.patterns import Regexp, compile_pattern

DETECTORS = (
    "aws.AWSKeyDetector",
    "azure_storage_key.AzureStorageKeyDetector",
    "github_token.GitHubTokenDetector",
    "mailchimp.MailchimpDetector",
    "openai.OpenAIDetector",
    "pypi_token.PypiTokenDetector",
    "sendgrid.SendGridDetector",
    "slack.SlackDetector",
    "square_oauth.SquareOAuthDetector",
    "stripe.StripeDetector",
)
"""The plugins of detect-secrets whose patterns are used, below `detect_secrets.plugins`."""


@dataclass(frozen=True)
class Pattern:
    """The look of a secret."""

    regexp: Regexp
    is_grouped: bool = False
    """Whether the secret is the group that took part in a match, if one did; else it is all of
    the match."""
    is_secret: Callable[[str, str], bool] | None = None
    """Returns whether a value is a secret, given the text behind it; None: it always is."""


def own_pattern(pattern: str) -> Pattern:
    """Return an administrator's pattern: the secret is its group, if it has one."""
    regexp = compile_pattern(pattern)
    return Pattern(regexp, is_grouped=regexp.groups > 0)


def standard_patterns() -> list[Pattern]:
    """Return detect-secrets' patterns and ours. The first call imports detect-secrets: 0.1 s."""
    return [
        *(Pattern(regexp) for regexp in _of_detectors()),
        *(Pattern(compile_pattern(pattern)) for pattern in _FORMS),
        *(
            Pattern(compile_pattern(f"(?i){pattern}"), True, is_secret)
            for pattern, is_secret in _NAMED
        ),
    ]


def _of_detectors() -> Iterator[Regexp]:
    for path in DETECTORS:
        module, _, name = path.partition(".")
        detector = getattr(import_module(f"detect_secrets.plugins.{module}"), name)
        for pattern in detector.denylist:
            flags = "(?i)" if pattern.flags & re.IGNORECASE else ""
            # To the end of a word: some tokens have become longer.
            yield compile_pattern(rf"{flags}(?:{pattern.pattern})[\w-]*")


_KEY = r"(?:[A-Z\d]+ )*PRIVATE KEY(?: BLOCK)?-----"
_END_OF_LINE = r"(?:\s|\\[nr])+"
_KEY_LINE = r"(?:\[[^\]\n\x00]*\] )?(?:[A-Za-z\d+/=]{16,}|[A-Z][\w-]+: [^\n\x00]+)"

_FORMS = (
    # A private key: whole, without its end, without its beginning. Its line ends may be `\n`.
    rf"-----BEGIN {_KEY}[^\x00]*?-----END {_KEY}",
    rf"-----BEGIN {_KEY}(?:{_END_OF_LINE}{_KEY_LINE})*",
    rf"(?:{_KEY_LINE}{_END_OF_LINE})+-----END {_KEY}",
    r"PuTTY-User-Key-File-\d:[^\x00]*?Private-MAC: *[\da-f]+",
    r"\beyJ[\w-]{10,}\.[\w-]{4,}(?:\.[\w-]*)*",  # a JSON web token
    r"\bgithub_pat_\w{22,}",
    r"\b(?:glpat|gldt|glft|glsoat|glrt|glcbt|glimt|glptt|glagent|gloas)-[\w-]{20,}",
    r"\b(?:AC|SK)[\da-f]{32}\b",  # Twilio
    r"\b\d{8,10}:AA[\w-]{33}\b",  # Telegram
    r"\bAIza[\w-]{35}",  # Google
    r"\bAKCp[A-Za-z\d]{60,}",  # Artifactory
    r"\bhvs\.[\w-]{24,}",  # Vault
    r"\bnpm_[A-Za-z\d]{36}",
    r"\b11[\da-f]{32}\b",  # a Jenkins user's API token
)
"""Secrets that have a form of their own."""


def _is_value(value: str, following: str) -> bool:
    """Return whether a text is a value, and not a placeholder, a variable or a call."""
    if _PLACEHOLDER.match(value) or _VARIABLE.fullmatch(value) or following[:1] in {"(", "["}:
        return False
    return value.lower() not in _NO_VALUES


def _is_strange(value: str, following: str) -> bool:
    """Return whether a value is no word of a sentence, number, duration, version or test result."""
    if not _is_value(value, following) or len(value) < 6 or _MEASURE.fullmatch(value):
        return False
    return any(not character.isalpha() and character not in "-_./" for character in value)


def _is_argument(value: str, following: str) -> bool:
    """Return whether a value is an argument, and not a word of a sentence about an option."""
    return _is_value(value, following) and not _OF_A_SENTENCE.fullmatch(value)


def _is_password(value: str, following: str) -> bool:
    """Return whether a value is a URL's password, and not the tag of an image before its digest."""
    return _is_value(value, following) and not following.startswith("@sha256:")


def _is_token(value: str, following: str) -> bool:
    """Return whether what stands before a URL's host is a token, and not a user's name."""
    return _is_password(value, following) and _is_strange(value, following)


_NO_VALUES = frozenset(("true", "false", "null", "none", "nil", "undefined", "[redacted]"))
_OF_A_SENTENCE = re.compile(
    r"(?i)an?|and|are|argument|as|at|can|cannot|command|file|flags?|for|from|has|if|in|instead|is"
    r"|it|must|not|of|on|options?|or|parameter|should|that|the|this|to|value|via|was|when|which"
    r"|will|with|without"
)
_PLACEHOLDER = re.compile(r"\$[A-Za-z_{(]|%[\w(]|\{\{|<|\*\*|\.\.\.|…")
_VARIABLE = re.compile(r"[A-Za-z_$][\w$]{0,99}\.[\w$.]{0,99}(?i:passw(?:or)?d|secret|token|key)")
"""A variable with a secret's name, such as `settings.db_password`."""
_MEASURE = re.compile(r"v?[\d.,/+-]{1,99}(?:%|[nmu]?s|m(?:in)?|h|d|[kKMG]?i?B)?")

_NAME = (
    r"[\w.-]*?(?:passw(?:or)?d|pass[_-]?phrase|secret|token|api[_-]?key"
    r"|(?:access|account|encryption|master|private|secret|signing)[_-]?key|[._;-]pwd)\d?"
)
"""A name that ends as a secret's does: `DB_PASSWORD`, `apiToken`, and not `token_count`."""
_COLOUR = r"(?:\x1b\[[\d;]*m)*"
_QUOTED = r"""\\*"((?:[^"\\\n\x00]|\\[^"\n\x00])+)|\\*'((?:[^'\\\n\x00]|\\[^'\n\x00])+)"""
_WORD = r"""[^\s"'`,;&|<>(){}\[\]\x00]+"""
_OF_A_PARSER = r"\b(?:unexpected|expected|illegal|invalid|bad|next) +token"
"""A token of a language: it is matched so that nothing in it is."""
_AUTHORIZATION = r"\bauthorization\\*[\"']?\s*[:=]\s*\\*[\"']?"

_NAMED: tuple[tuple[str, Callable[[str, str], bool]], ...] = (
    (r"://[^\s/?#@:\x00]*:([^\s/?#\"'`<>,\x00]+)@", _is_password),
    (r"://([^\s/?#@:\"'`<>,\x00]{20,})@", _is_token),  # in place of user and password
    # password="…", 'password': '…', within a text of JSON, too
    (
        rf"{_OF_A_PARSER}|\b{_NAME}{_COLOUR}\\*[\"']?[ \t]*(?:=>?|:=?)[ \t]*{_COLOUR}(?:{_QUOTED})",
        _is_value,
    ),
    # PASSWORD=…, &token=…
    (rf"\b{_NAME}{_COLOUR}={_COLOUR}([^=\s\"'`,;&|<>(){{}}\[\]\x00]{_WORD})", _is_value),
    # password: …, at the end of a line or a member
    (
        rf"(?m){_OF_A_PARSER}|\b{_NAME}{_COLOUR}[\"']?(?: =|:)[ \t]*{_COLOUR}"
        rf"([^\s\"'`,;:<>(){{}}\[\]\x00\x1b]+){_COLOUR}[ \t\r]*(?:$|[,}}\"'\x00])",
        _is_strange,
    ),
    (rf"<{_NAME}>\s*([^<\s\x00]+)\s*</", _is_value),
    # --password …
    (rf"(?:^|[\s\"'(,])--?{_NAME}[ \t]+(?:{_QUOTED}|([^\s\"'-]{_WORD}))", _is_argument),
    (rf"\bcurl\b[^\n\x00]*?\s(?:-u|--user)[ =]*[\"']?[^\s:\"'\x00]+:({_WORD})", _is_value),
    (
        rf"{_AUTHORIZATION}(?:basic|bearer|token|negotiate|ntlm|apikey)\s+([\w.~+/=-]{{8,}})",
        _is_value,
    ),
    (rf"{_AUTHORIZATION}(?:digest|aws4-hmac-sha256)\s+([^\n\x00]+)", _is_value),
    (rf"{_AUTHORIZATION}([\w.~+/=-]{{20,}})", _is_value),
)
"""Secrets that their name shows, in upper or lower case."""
