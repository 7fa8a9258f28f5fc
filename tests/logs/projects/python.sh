# Python itself, pytest, unittest, pip and mypy, with the interpreter of .venv.

project python
python3 -m venv --system-site-packages --without-pip .venv 2>/dev/null
mkdir -p bin
file bin/python <<SH
#!/bin/sh
exec "$python/bin/python" "\$@"
SH
chmod +x bin/python
PATH="$workspace/bin:$PATH"

file shop/__init__.py < /dev/null
file shop/prices.py <<'PY'
import json


def load(path):
    with open(path) as file:
        return json.load(file)


def total(cart, prices):
    return sum(prices[item]["cents"] for item in cart)
PY
file import_prices.py <<'PY'
from shop.prices import load, total

prices = {"tea": {"cents": 300}}
print("Imported 1 price, 0 errors")
print(total(["tea", "milk"], prices))
PY
log python-traceback <<'SH'
python import_prices.py
SH
file chained.py <<'PY'
from shop.prices import load


def configure():
    try:
        return load("prices.json")
    except OSError as error:
        raise RuntimeError("the prices can't be loaded") from error


configure()
PY
log python-chained <<'SH'
python chained.py
SH
file handled.py <<'PY'
import logging

logging.basicConfig(level=logging.INFO)
for attempt in (1, 2):
    try:
        {}["cache"]
    except KeyError:
        logging.exception("The cache is cold; prices are computed instead")
    logging.info("attempt %d done", attempt)
raise SystemExit("cart.csv: row 7 has no price")
PY
log python-logged-then-exit <<'SH'
python handled.py
SH
printf 'def total(cart:\n    return 1\n' > broken.py
log python-syntax <<'SH'
python broken.py
SH
log python-no-module <<'SH'
python -m shop.checkout
SH
file start.py <<<'import stripe_client'
log python-import <<'SH'
python start.py
SH
file group.py <<'PY'
errors = []
for name in ("tea", "milk"):
    try:
        {}[name]
    except KeyError as error:
        errors.append(error)
raise ExceptionGroup("two prices are missing", errors)
PY
log python-exception-group <<'SH'
python group.py
SH

file tests/test_prices.py <<'PY'
import pytest

from shop.prices import total


@pytest.mark.parametrize("number", range(120))
def test_error_codes(number):
    print("error:", number)


def test_total():
    prices = {"tea": {"cents": 300}, "milk": {"cents": 120}}
    assert total(["tea", "milk"], prices) == 430


def test_missing():
    assert total(["jam"], {}) == 0
PY
file tests/conftest.py <<'PY'
import pytest


@pytest.fixture
def database():
    raise ConnectionRefusedError("no database at localhost:5432")
PY
log pytest-fails <<'SH'
python -m pytest -p no:cacheprovider -v -c /dev/null --rootdir . tests/test_prices.py
SH
log pytest-coloured-short <<'SH'
python -m pytest -p no:cacheprovider --color=yes --tb=short -q -c /dev/null --rootdir . tests/test_prices.py
SH
file tests/test_import.py <<'PY'
from shop.pricing import total


def test_total():
    assert total
PY
log pytest-collection <<'SH'
python -m pytest -p no:cacheprovider -c /dev/null --rootdir . tests/test_import.py tests/test_prices.py
SH
file tests/test_database.py <<'PY'
def test_query(database):
    assert database
PY
log pytest-fixture <<'SH'
python -m pytest -p no:cacheprovider -c /dev/null --rootdir . tests/test_database.py
SH
log pytest-line <<'SH'
python -m pytest -p no:cacheprovider --tb=line -q -c /dev/null --rootdir . tests/test_prices.py
SH
log pytest-usage <<'SH'
python -m pytest -p no:cacheprovider -c /dev/null --rootdir . tests/test_missing.py
SH
file unit/__init__.py < /dev/null
file unit/test_cart.py <<'PY'
import unittest

from shop.prices import total


class CartTest(unittest.TestCase):
    def test_error_is_reported(self):
        """The error: line is shown."""

    def test_total(self):
        self.assertEqual(total(["tea"], {"tea": {"cents": 300}}), 301)

    def test_unknown(self):
        total(["jam"], {})
PY
log unittest-fails <<'SH'
python -m unittest -v unit.test_cart
SH
file typed.py <<'PY'
def total(cents: int) -> str:
    return cents
PY
log mypy-error <<'SH'
python -m mypy --cache-dir /dev/null typed.py
SH
log ruff-concise <<'SH'
python -m ruff check --no-cache --isolated --output-format concise start.py
SH
log ruff-error <<'SH'
python -m ruff check --no-cache --isolated start.py
SH

file requirements.txt <<'TXT'
requests==2.32.3
shop-ledger-that-is-not-there==1.4
TXT
log pip-no-distribution <<'SH'
python3 -m pip install --target lib -r requirements.txt
SH
file conflict.txt <<'TXT'
requests==2.32.3
urllib3==1.20
TXT
log pip-conflict <<'SH'
python3 -m pip install --target lib -r conflict.txt
SH
log pip-unknown-host <<'SH'
python3 -m pip install --retries 1 --target lib --index-url https://packages.invalid/simple/ ledger
SH
file broken-package/setup.py <<'PY'
from setuptools import setup

setup(name="ledger", version=open("VERSION").read())
PY
log pip-build-fails <<'SH'
python3 -m pip install --target lib ./broken-package
SH
