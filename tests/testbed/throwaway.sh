#!/bin/bash
# Runs a command where it may change /etc, /opt, /usr/local and /var, and nobody sees it.
#
# Call it in a mount namespace of its own. /usr/local/src is FOLDER. /usr/local/python is the Python that made the virtual
# environment, and /usr/local/packages what is installed there, without this project: both could be
# in a folder that only root may enter.
set -euo pipefail
folder=$1 python=$2 packages=$3
shift 3

mount --make-rprivate /
changes=$folder/changes
mkdir "$changes"
mount -t tmpfs tmpfs "$changes"
laid_over() { # LOWER WHERE
  local mine
  mine=$(mktemp -d "$changes/XXXX")
  mkdir "$mine/upper" "$mine/work"
  mkdir -p "$2"
  mount -t overlay overlay -o "lowerdir=$1,upperdir=$mine/upper,workdir=$mine/work" "$2"
  chmod 755 "$2"
}
for own in /etc /opt /usr/local /var; do
  laid_over "$own" "$own"
done
laid_over "$python" /usr/local/python
laid_over "$packages" /usr/local/packages
mkdir -p /usr/local/src
mount --bind "$folder" /usr/local/src
rm -rf /usr/local/packages/jenkins_notify_email-* /usr/local/packages/*jenkins_notify_email*.pth
exec "$@"
