"""Checks settings together, and puts those that have changed in force."""

from collections.abc import Callable

import structlog
from fastapi import FastAPI

from pyservice.config.settings import Settings
from pyservice.description import updater
from pyservice.errors import ConfigurationError, RequestError
from pyservice.policy.recipients import DENIED, resolve_recipients
from pyservice.report.schema import Report
from pyservice.web.api import EXAMPLE
from pyservice.web.dependencies import Service

_log = structlog.get_logger()


def reload(app: FastAPI, load: Callable[[], Settings]) -> Settings:
    """Apply settings that have changed; if they can't be used, keep those in force.

    Args:
        app: the service.
        load: reads the settings.

    Returns:
        The settings in force from now on.
    """
    service: Service = app.state.service
    service.live.is_reload_successful = False
    try:
        settings = load()
        check_settings(settings)
    except ConfigurationError as error:
        _log.error("settings.reload_failed", reason=str(error))
        return service.settings
    except Exception:
        _log.exception("settings.reload_failed")
        return service.settings
    service.renderer.use(settings.templates_dir)
    service.previews.use(settings.templates_dir)
    service.masker.use(settings.secret_patterns)
    service.rate_limiter.use(settings.rate_limits, settings.digest_after)
    changed, fixed = service.live.replace(settings)
    service.live.is_reload_successful = True
    warn_if_diverted(settings)
    _log.info("settings.reloaded", changed=changed)
    if fixed:
        _log.warning("settings.restart_needed", settings=fixed, reason="restart to apply these")
    return service.settings


def warn_if_diverted(settings: Settings) -> None:
    """Remind the administrator of a setting by which recipients get no mail."""
    if settings.dry_run:
        _log.warning("dry_run.enabled", reason="NOTIFY_EMAIL_DRY_RUN is set: Postfix gets no mail")
    elif settings.reroute_to:
        reason = (
            "NOTIFY_EMAIL_REROUTE_TO is set: this address gets all mail, and the recipients get "
            "none"
        )
        _log.warning("reroute.enabled", to=settings.reroute_to, reason=reason)


def check_settings(settings: Settings) -> None:
    """Check settings together, and the files that they name.

    Raises:
        ConfigurationError: there is no sender; every report without recipients would be refused, or
            miss one; or the file with Jenkins' token can't be used.
    """
    _ = settings.sender_mailbox
    if settings.default_to is not None:
        _check_default_recipients(settings)
    updater.check(settings)


def _check_default_recipients(settings: Settings) -> None:
    try:
        report = Report.model_validate(EXAMPLE | {"mail": {}})
        left_out = resolve_recipients(report, settings).left_out
    except RequestError as error:
        raise ConfigurationError(f"Setting `default_to` can't be used: {error.detail}") from None
    for entry in left_out:
        if entry.reason != DENIED:
            raise ConfigurationError(f"Setting `default_to`: {entry.sentence}.")
