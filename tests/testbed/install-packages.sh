#!/bin/bash
# Installs what `make test` needs beside Python: on Debian, as root, once.
#
# Nothing happens where everything is there already. No service is started or configured by it,
# and no package is removed to make room for another.
set -euo pipefail

missing=()
need() { # COMMAND PACKAGE
  command -v "$1" >/dev/null || missing+=("$2")
}

has_jdk_17() {
  local version
  version=$(java -version 2>&1 | sed -nE '1s/.*"([0-9]+).*/\1/p') || return 1
  [[ -n $version && $version -ge 17 ]]
}

PATH=$PATH:/usr/sbin:/sbin
need postconf postfix
need ip iproute2
need curl curl
need nc netcat-openbsd
need busybox busybox
need mvn maven
need chromium chromium
need npm npm
need systemd-analyze systemd
need nft nftables
need iptables iptables
need logrotate logrotate
need faketime faketime
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
has_jdk_17 || missing+=(default-jdk-headless)

if [[ ${#missing[@]} -eq 0 ]]; then
  exit 0
fi
if [[ $EUID -ne 0 ]]; then
  echo "install-packages: these packages are missing, and only root can install them: ${missing[*]}" >&2
  exit 1
fi
if ! command -v apt-get >/dev/null; then
  echo "install-packages: this machine has no apt-get; install by hand: ${missing[*]}" >&2
  exit 1
fi

echo "Installing ${missing[*]} …"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq

# A freshly installed Postfix would be started. Debian asks policy-rc.d before it starts anything:
# 101 means no.
policy=/usr/sbin/policy-rc.d
guard=$(mktemp)
printf '#!/bin/sh\nexit 101\n' >"$guard"
chmod 755 "$guard"
made_policy=
clean_up() {
  rm -f "$guard"
  if [[ -n $made_policy ]]; then
    rm -f "$policy"
  fi
}
trap clean_up EXIT

install=(apt-get install -qq -y --no-install-recommends --no-remove "${missing[@]}")
if [[ " ${missing[*]} " == *' postfix '* ]]; then
  echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
fi
if [[ ! -e $policy ]]; then
  cp "$guard" "$policy"
  made_policy=yes
  "${install[@]}" >/dev/null
else
  # Somebody else's policy stays as it is: ours lies over it in a mount namespace of apt's own.
  # shellcheck disable=SC2016 # the inner shell expands them
  unshare --mount --propagation private \
    sh -ec 'mount --bind "$1" "$2"; shift 2; exec "$@"' sh "$guard" "$policy" "${install[@]}" >/dev/null
fi
