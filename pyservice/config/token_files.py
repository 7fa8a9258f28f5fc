"""Reads a file with one token: the service's or Jenkins', which are easily confused."""

from pathlib import Path

from pyservice.errors import ConfigurationError, os_reason

SERVICE_PREFIX = "ne_"
"""What each of the service's tokens begins with, and no API token of Jenkins does."""


def read_service_token(file: Path) -> str:
    """Return the token of the service that a file holds.

    Raises:
        ConfigurationError: the file can't be read, or holds something else, such as an API token.
    """
    token = _read(file)
    if not token.startswith(SERVICE_PREFIX):
        raise ConfigurationError(
            f"{file} holds no token of the service: those begin with {SERVICE_PREFIX}. Make one "
            "with `notify-email token new NAME`. If it is an API token of Jenkins, give it by "
            "--jenkins-token-file."
        )
    return token


def read_api_token(file: Path) -> str:
    """Return the API token of Jenkins that a file holds.

    Raises:
        ConfigurationError: the file can't be read, or holds something else, such as the service's.
    """
    return check_api_token(_read(file), str(file))


def check_api_token(token: str, source: str) -> str:
    """Return a token of Jenkins as it is.

    Args:
        token: an API token; a password serves as well.
        source: the file or the variable that holds it.

    Raises:
        ConfigurationError: it is the service's.
    """
    if token.startswith(SERVICE_PREFIX):
        raise ConfigurationError(
            f"{source} holds a token of the service ({SERVICE_PREFIX}…), where an API token of "
            "Jenkins belongs. Make one in Jenkins, on the user's page under Security. The "
            "service's token is given by --service-token-file."
        )
    return token


def _read(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = os_reason(error) if isinstance(error, OSError) else "it is no text"
        raise ConfigurationError(f"{file} can't be read: {reason}.") from None
    if not text or len(text.split()) != 1:
        raise ConfigurationError(f"{file} holds no token. Write one into it, and nothing else.")
    return text
