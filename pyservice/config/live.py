"""The settings in force, which SIGHUP replaces while the service runs."""

from pyservice.config.settings import Settings
from pyservice.config.types import AppliedOnReload


def is_live(name: str) -> bool:
    """Whether SIGHUP applies a setting; the others need a restart."""
    metadata = Settings.model_fields[name].metadata
    return any(isinstance(mark, AppliedOnReload) for mark in metadata)


class LiveSettings:
    """The settings that are in force now. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.is_reload_successful = True
        """Whether the last reload was; if it was not, the old settings are still in force."""

    @property
    def settings(self) -> Settings:
        """The settings at this moment: read once what belongs together."""
        return self._settings

    def replace(self, settings: Settings) -> tuple[list[str], list[str]]:
        """Put in force what SIGHUP applies of new settings.

        Returns:
            The names of the settings that have changed, and of those that need a restart to change.
        """
        old = self._settings
        names = [
            name for name in Settings.model_fields if getattr(old, name) != getattr(settings, name)
        ]
        changed = [name for name in names if is_live(name)]
        self._settings = old.model_copy(update={name: getattr(settings, name) for name in changed})
        return changed, [name for name in names if not is_live(name)]
