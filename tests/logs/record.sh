#!/usr/bin/env bash
# Runs real tools on small broken projects and keeps what they print, as a failing step's log has it.
#
# Usage: tests/logs/record.sh [NAME]…, of the files in projects; all of them by default.
#
# Each log is what Jenkins' step `sh` would keep: the script runs under `sh -xe`, without a terminal,
# with both outputs in one file. Of a longer one the last 64 KiB stay, as the step reports them.
# The logs of jenkins-*.log come from builds of a real controller, and are not made here.
set -uo pipefail

logs=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d)
python=$(cd "$logs/../.." && pwd)/.venv
trap 'rm -rf "$root"' EXIT
export LC_ALL=C.UTF-8 TERM=dumb GIT_CONFIG_GLOBAL="$root/gitconfig" GIT_CONFIG_NOSYSTEM=1
unset MAKEFLAGS FORCE_COLOR
git config --global user.name Ada
git config --global user.email ada@example.com
git config --global init.defaultBranch main

# Begins a project, in a folder of its own.
project() {
  workspace="$root/workspace/$1"
  mkdir -p "$workspace"
  cd "$workspace" || exit 1
}

# Keeps a script's output as a log: log NAME < script.
log() {
  cat > "$root/script.sh"
  timeout 500 sh -xe "$root/script.sh" > "$root/log" 2>&1 < /dev/null
  echo "$1: exit code $?"
  scrub < "$root/log" | tail -c 65536 > "$logs/$1.log"
}

# Replaces what is this machine's: folders, its name, and the hosts it fetches packages from.
scrub() {
  sed -E \
    -e "/^Looking in links/d" -e "s#$python/bin/python#python#g" \
    -e "s#$root/script\.sh#/home/ci/workspace/shop@tmp/durable-1f2e3d4c/script.sh#g" \
    -e "s#$root/workspace#/home/ci/workspace#g" -e "s#$root#/tmp/build#g" -e "s#${root##*/}#build#g" -e "s#$HOME#/home/ci#g" \
    -e "s#\b$(hostname)\b#agent-1#g" \
    -e ':next; s#(https?://)(cwiki\.apache\.org|docs\.npmjs\.com|nodejs\.org|doc\.rust-lang\.org|aka\.ms|jestjs\.io|eslint\.org|webpack\.js\.org|yarnpkg\.com|getcomposer\.org|maven\.apache\.org|127\.0\.0\.1:9|(git|packages|shop)\.example\.com|[a-z.]*\.invalid)#\1\x01\2#; tnext' \
    -e 's#(https?://)[A-Za-z0-9.:-]+#\1packages.example.com#g' -e 's#\x01##g'
}

# Says what is not installed here, and returns whether all is: needs COMMAND….
needs() {
  for command; do
    command -v "$command" > /dev/null || { echo "$command is not installed; Debian has it"; return 1; }
  done
}

# Writes a file of the project: file PATH < content.
file() {
  mkdir -p "$(dirname "$1")"
  cat > "$1"
}

[ $# -gt 0 ] || set -- $(cd "$logs/projects" && basename -s .sh -- *.sh)
for name; do
  # shellcheck source=/dev/null
  source "$logs/projects/$name.sh"
done
