"""The settings in force, which are read anew while the service runs (on SIGHUP)."""

from pyservice.config.settings import Settings

LIVE = frozenset(
    {
        "outbox_max_waiting",
        "outbox_max_bytes",
        "retention_days",
        "rate_limits",
        "digest_after",
        "public_url",
        "default_to",
        "sender",
        "allowed_domains",
        "denied_recipients",
        "max_recipients",
        "reroute_to",
        "dry_run",
        "templates_dir",
        "log_level",
        "build_description",
        "jenkins_url",
        "jenkins_user",
        "jenkins_token_file",
    }
)
"""Settings that can change while the service runs; docs/settings.md marks them."""


class LiveSettings:
    """The settings that are in force now: who needs one asks each time. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def settings(self) -> Settings:
        """As they are now: take what belongs together from one answer."""
        return self._settings

    def replace(self, settings: Settings) -> tuple[list[str], list[str]]:
        """Let new ones take effect, as far as they can.

        Args:
            settings: as they were read anew.

        Returns:
            The names of those that have changed, and of those that need a restart to change.
        """
        before = self._settings
        others = [name for name in Settings.model_fields if _differs(name, before, settings)]
        changed = [name for name in others if name in LIVE]
        self._settings = before.model_copy(
            update={name: getattr(settings, name) for name in changed}
        )
        return changed, [name for name in others if name not in LIVE]


def _differs(name: str, one: Settings, other: Settings) -> bool:
    return bool(getattr(one, name) != getattr(other, name))
