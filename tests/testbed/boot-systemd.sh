#!/bin/bash
# Makes systemd the first process of namespaces of its own, with no units but those it is given.
#
# It comes by throwaway.sh, with new PID, mount, UTS, IPC, network and cgroup namespaces.
set -euo pipefail
mount -t proc proc /proc
mount --bind /proc/sys /proc/sys # systemd sets some as it starts, and they are the machine's
mount -o remount,ro,bind /proc/sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
# When a service ends, systemd removes from here what belongs to its user: none of the tests' files.
mount -t tmpfs tmpfs /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
touch /run/console
mount --bind /run/console /dev/console

rm -rf /etc/systemd/system
mkdir -p /etc/systemd/system /run/units/service.d
for target in sysinit basic shutdown network-online multi-user; do
  printf '[Unit]\nDefaultDependencies=no\n' >"/run/units/$target.target"
done
cat >/run/units/service.d/tried.conf <<'END'
[Service]
Environment=PYTHONPATH=/usr/local/packages LD_LIBRARY_PATH=/usr/local/python/lib
StandardError=append:/run/notify-email.log
END
export container=lxc SYSTEMD_UNIT_PATH=/etc/systemd/system:/run/units
exec /lib/systemd/systemd --system --unit=basic.target --log-target=console --show-status=0
