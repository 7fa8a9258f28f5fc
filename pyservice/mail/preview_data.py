"""What a template of the administrator's gets as `data` in previews: the file `data.json` in it."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pyservice.errors import InvalidError, os_reason
from pyservice.report.schema import Mail
from pyservice.validation import explain

FILE = "data.json"


def preview_data(templates_dir: Path | None, template: str) -> dict[str, Any]:
    """Return the data of a template, by its name; none if it has no such file.

    Raises:
        InvalidError: the file can't be read, or a report can't have such data.
    """
    if templates_dir is None:
        return {}
    file = templates_dir / template / FILE
    try:
        return Mail(data=json.loads(file.read_text(encoding="utf-8"))).data
    except FileNotFoundError:
        return {}
    except OSError as error:
        reason = os_reason(error)
    except ValidationError as error:
        reason = explain(error.errors()[0])
    except (ValueError, RecursionError):
        reason = "it is not JSON"
    raise InvalidError(f"The data for previews, {file}, can't be used: {reason}.")
