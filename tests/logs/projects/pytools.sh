# What drives Python projects: tox, Poetry, flake8, Black, pytest's plugins, and Ansible.

project pytools
python3 -m venv "$root/pytools"
"$root/pytools/bin/pip" install -q tox poetry flake8 black pytest pytest-cov ansible-core
PATH="$root/pytools/bin:$PATH"
file tox.ini <<'INI'
[tox]
envlist = py3, lint
skipsdist = true
[testenv]
deps = pytest
commands = pytest -q {posargs}
[testenv:lint]
deps = flake8
commands = flake8 shop.py
[testenv:release]
deps = shop-ledger-that-is-not-there==1.4
commands = python -V
[testenv:docs]
allowlist_externals = make
commands = sphinx-build docs out
INI
file shop.py <<'PY'
import os


def total(cart, prices):
    return sum(prices[item] for item in cart)
PY
file test_shop.py <<'PY'
from shop import total


def test_errors():
    print("error: expected")


def test_total():
    assert total(["tea", "milk"], {"tea": 300, "milk": 120}) == 430
PY
log tox-pytest <<'SH'
tox run
SH
log tox-lint <<'SH'
tox run -e lint
SH
log tox-no-distribution <<'SH'
tox run -e release
SH
log tox-not-found <<'SH'
tox run -e docs
SH
log flake8 <<'SH'
flake8 shop.py
SH
printf 'def total( cart ):\n  return 1\n' > till.py
log black-check <<'SH'
black --check till.py shop.py
SH
sed -i 's/430/420/' test_shop.py
printf 'def pay(cents):\n    if cents < 0:\n        return "error"\n    return None\n' > till.py
log pytest-coverage <<'SH'
pytest -p no:cacheprovider -q --cov=. --cov-fail-under=95 test_shop.py
SH

project poetry
file pyproject.toml <<'TOML'
[tool.poetry]
name = "shop"
version = "1.0.0"
description = ""
authors = ["Ada <ada@example.com>"]
package-mode = false
[tool.poetry.dependencies]
python = "^3.11"
TOML
poetry lock > /dev/null 2>&1
sed -i 's/^python.*/&\nshop-ledger-that-is-not-there = "1.4"/' pyproject.toml
log poetry-old-lock <<'SH'
poetry install --no-interaction
SH
log poetry-no-package <<'SH'
poetry lock --no-interaction
SH

project ansible
export ANSIBLE_LOCALHOST_WARNING=False ANSIBLE_HOME="$root/ansible"
file inventory <<'INI'
[shop]
web-1 ansible_connection=local ansible_python_interpreter=/usr/bin/python3
web-2 ansible_connection=local ansible_python_interpreter=/usr/bin/python3
INI
file deploy.yml <<'YAML'
- name: Deploy the shop
  hosts: shop
  gather_facts: false
  tasks:
    - name: Look for an old lock
      ansible.builtin.command: test -e /nonexistent/lock
      ignore_errors: true
    - name: Copy the configuration
      ansible.builtin.copy:
        src: shop.conf
        dest: /nonexistent/shop.conf
    - name: Restart
      ansible.builtin.command: "true"
YAML
log ansible-fails <<'SH'
ansible-playbook -i inventory deploy.yml
SH
printf -- '- hosts: shop\n  tasks:\n    - name: Copy\n     copy: src=a dest=b\n' > broken.yml
log ansible-syntax <<'SH'
ansible-playbook -i inventory broken.yml
SH
printf '[shop]\nweb-1.invalid\n' > inventory
log ansible-unreachable <<'SH'
ansible-playbook -i inventory deploy.yml
SH

project ansible-command
file check.yml <<'YAML'
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.command: ls /nonexistent
YAML
log ansible-command <<'SH'
ansible-playbook check.yml
SH
