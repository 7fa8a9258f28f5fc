"""validation.py: what is wrong with a value is said in our words, never in pydantic's."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from pyservice.auth.tokens import Token
from pyservice.config.settings import Settings
from pyservice.report.schema import Report
from pyservice.validation import explain, nearest
from pyservice.web.routes.report_models import ReportStatus

ODD: list[Any] = [
    *(None, True, -1, 0, 10**30, 1.5, float("nan"), float("inf"), "", " ", "x", "1 pound", "1e999"),
    *("x" * 5000, "1" * 5000, b"\xff", [], [[]], [None], {}, {"a": 1}, date(1, 1, 1), Path("x")),
]
OF_PYDANTIC = ("Input ", "Value ", "Unable ", "Extra ", "Field ", "pydantic", "parse")


def complaints(validate: Callable[[Any], object], value: object) -> list[str]:
    """What is wrong with a value."""
    try:
        validate(value)
    except ValidationError as error:
        return [explain(one) for one in error.errors()]
    except ValueError as error:
        return [str(error)]
    return []


@pytest.mark.parametrize("model", [Settings, Token, Report, ReportStatus])
def test_no_word_of_pydantic(model: Any) -> None:
    """Each member of each model, with anything for a value, is refused in our words."""
    seen = set()
    for name in model.model_fields:
        for value in ODD:
            seen |= set(complaints(model.model_validate, {name: value}))
            seen |= set(complaints(TypeAdapter(dict[str, model]).validate_python, {name: value}))
    assert len(seen) > 2
    for sentence in seen:
        assert sentence
        assert not any(word in sentence for word in OF_PYDANTIC), sentence
        assert sentence != "it is not valid"


@pytest.mark.parametrize(
    ("name", "near"),
    [("prot", "port"), ("PORT", "port"), ("token_file", "tokens_file"), ("x", None)],
)
def test_the_nearest_name(name: str, near: str | None) -> None:
    """A misspelt name has a neighbour, and nonsense has none."""
    assert nearest(name, Settings.model_fields) == near
