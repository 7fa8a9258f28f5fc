"""secret_patterns.py: which patterns of detect-secrets are used, and why the others are not."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import detect_secrets.plugins
import pytest
from detect_secrets.plugins.base import RegexBasedDetector

from pyservice.patterns import compile_pattern
from pyservice.report.secret_patterns import DETECTORS, standard_patterns

LOOKS_AROUND = "it looks around, which RE2 doesn't"
UNUSED = {
    "artifactory.ArtifactoryDetector": "it matches names such as APDUResponse; ours is AKCp…",
    "basic_auth.BasicAuthDetector": "it misses passwords with punctuation; ours masks them",
    "cloudant.CloudantDetector": LOOKS_AROUND,
    "discord.DiscordBotTokenDetector": "it matches names of packages, classes and methods",
    "gitlab_token.GitLabTokenDetector": LOOKS_AROUND,
    "ibm_cloud_iam.IbmCloudIamDetector": LOOKS_AROUND,
    "ibm_cos_hmac.IbmCosHmacDetector": LOOKS_AROUND,
    "ip_public.IPPublicDetector": "an address is no secret",
    "jwt.JwtTokenDetector": "it leaves the signature; ours is masked whole",
    "npm.NpmDetector": "it masks the whole line; ours the token",
    "private_key.PrivateKeyDetector": "it matches the first line alone; ours the whole key",
    "softlayer.SoftlayerDetector": LOOKS_AROUND,
    "telegram_token.TelegramBotTokenDetector": "it matches a time before a commit; ours is :AA…",
    "twilio.TwilioKeyDetector": "it matches within words; ours does not",
}


def detectors() -> Iterator[type[RegexBasedDetector]]:
    """Each plugin of detect-secrets that has patterns."""
    for module in pkgutil.iter_modules(detect_secrets.plugins.__path__):
        importlib.import_module(f"detect_secrets.plugins.{module.name}")
    for detector in RegexBasedDetector.__subclasses__():
        if detector.__module__.startswith("detect_secrets.plugins."):
            yield detector


def path(detector: type) -> str:
    return f"{detector.__module__.removeprefix('detect_secrets.plugins.')}.{detector.__name__}"


def test_each_plugin_is_used_or_not_for_a_reason() -> None:
    """A new version of detect-secrets with another plugin makes this fail."""
    assert sorted(map(path, detectors())) == sorted([*DETECTORS, *UNUSED])


@pytest.mark.parametrize("name", [name for name, why in UNUSED.items() if why == LOOKS_AROUND])
def test_what_looks_around(name: str) -> None:
    """RE2 can't compile it."""
    [detector] = [one for one in detectors() if path(one) == name]
    denylist: Any = detector.denylist
    first = next(iter(denylist)).pattern
    with pytest.raises(ValueError, match="invalid perl operator"):
        compile_pattern(first)


def test_all_are_compiled() -> None:
    """Those of the plugins that are used, and ours."""
    assert len(standard_patterns()) > 30
