# Docker builds of both builders, and Buildah's, with a daemon in namespaces of its own that reaches
# no network. The base image is made of this machine's Python. Without root or docker.io, the logs
# stay as they are.

needs dockerd runc buildah busybox || return
[ "$(id -u)" = 0 ] || { echo "Docker's logs need root"; return; }

mkdir -p "$root/docker"
printf 'nameserver 127.0.0.1\n' > "$root/docker/resolv.conf"
# A name server that knows no name.
file "$root/docker/names.py" <<'PY'
import socket

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
while True:
    query, caller = server.recvfrom(512)
    server.sendto(query[:2] + b"\x81\x83" + query[4:6] + bytes(6) + query[12:], caller)
PY
file "$root/docker/daemon.sh" <<SH
mount -t tmpfs tmpfs /run
mount --bind $root/docker/resolv.conf /etc/resolv.conf
ip link set lo up
python3 $root/docker/names.py &
exec dockerd --iptables=false --ip6tables=false --bridge=none --storage-driver=vfs \
  --data-root $root/docker/data --exec-root $root/docker/run --pidfile $root/docker/pid \
  -H unix://$root/docker.sock
SH
unshare --mount --net --pid --fork --mount-proc --kill-child \
  sh "$root/docker/daemon.sh" > "$root/docker/log" 2>&1 &
daemon=$!
export DOCKER_HOST="unix://$root/docker.sock" DOCKER_CONFIG="$root/docker-config"
mkdir "$DOCKER_CONFIG"
# Debian's client has both builders; a newer one needs a plugin for the second.
client=$(dirname "$(dpkg -L docker.io | grep '/bin/docker$')")
PATH="$client:$PATH"
for _ in $(seq 100); do docker version > /dev/null 2>&1 && break; sleep 0.2; done
docker version > /dev/null || { cat "$root/docker/log"; return; }

# Makes the base image: a shell, and Python with its standard library.
base="$root/docker/base"
mkdir -p "$base/bin" "$base/tmp"
cp /bin/busybox "$base/bin/"
for applet in sh cat ls mkdir; do ln -s busybox "$base/bin/$applet"; done
interpreter=$(readlink -f "$(command -v /usr/bin/python3)")
libraries=$(dirname "$("$interpreter" -c 'import os; print(os.__file__)')")
cp -L --parents "$interpreter" $(ldd "$interpreter" | grep -o '/[^ ]*') "$base"
cp -r --parents "$libraries" "$base"
find "$base" -name __pycache__ -prune -exec rm -r {} +
ln -s "$interpreter" "$base/bin/python"
tar -C "$base" -c . | docker import - registry.example.com/python:3 > /dev/null

project docker
file Dockerfile <<'DOCKERFILE'
FROM registry.example.com/python:3 AS tests
WORKDIR /app
COPY cart.py test_cart.py ./
RUN python -m unittest -v test_cart

FROM registry.example.com/python:3
COPY --from=tests /app/cart.py /app/cart.py
DOCKERFILE
file cart.py <<'PY'
def total(cart, prices):
    return sum(prices[item] for item in cart)
PY
file test_cart.py <<'PY'
import unittest

from cart import total


class CartTest(unittest.TestCase):
    def test_error_is_reported(self):
        print("error: this line is expected")

    def test_total(self):
        self.assertEqual(total(["tea", "milk"], {"tea": 300}), 420)
PY
log docker-test <<'SH'
DOCKER_BUILDKIT=0 docker build --network none --tag shop .
SH
log docker-buildkit-test <<'SH'
DOCKER_BUILDKIT=1 docker build --network none --progress plain --tag shop .
SH
file Missing <<'DOCKERFILE'
FROM registry.example.com/python:3
WORKDIR /app
COPY requirements.txt ./
RUN python --version
DOCKERFILE
log docker-copy <<'SH'
DOCKER_BUILDKIT=0 docker build --network none --file Missing .
SH
log docker-buildkit-copy <<'SH'
DOCKER_BUILDKIT=1 docker build --network none --progress plain --file Missing .
SH
file Command <<'DOCKERFILE'
FROM registry.example.com/python:3
RUN mkdir -p /app && pipp install -r requirements.txt
DOCKERFILE
log docker-command-not-found <<'SH'
DOCKER_BUILDKIT=0 docker build --network none --file Command .
SH
log docker-buildkit-command-not-found <<'SH'
DOCKER_BUILDKIT=1 docker build --network none --progress plain --file Command .
SH
file Silent <<'DOCKERFILE'
FROM registry.example.com/python:3
COPY cart.py /app/
RUN [ -e /app/config.json ]
DOCKERFILE
log docker-silent <<'SH'
DOCKER_BUILDKIT=0 docker build --network none --file Silent .
SH
log docker-buildkit-silent <<'SH'
DOCKER_BUILDKIT=1 docker build --network none --progress plain --file Silent .
SH
file Typo <<'DOCKERFILE'
FROM registry.example.com/python:3
WORKDIR /app
COPPY cart.py ./
DOCKERFILE
log docker-typo <<'SH'
DOCKER_BUILDKIT=0 docker build --network none --file Typo .
SH
log docker-buildkit-typo <<'SH'
DOCKER_BUILDKIT=1 docker build --network none --progress plain --file Typo .
SH
file Unknown <<'DOCKERFILE'
FROM registry.invalid/python:3
COPY cart.py ./
DOCKERFILE
log docker-unknown-host <<'SH'
DOCKER_BUILDKIT=0 docker build --network none --file Unknown .
SH
log docker-buildkit-unknown-host <<'SH'
DOCKER_BUILDKIT=1 docker build --network none --progress plain --file Unknown .
SH
mkdir -p deploy
log docker-no-dockerfile <<'SH'
DOCKER_BUILDKIT=0 docker build deploy
SH
log docker-buildkit-no-dockerfile <<'SH'
DOCKER_BUILDKIT=1 docker build --progress plain deploy
SH
log docker-run <<'SH'
docker run --rm --network none registry.example.com/python:3 pytest -q
SH
log docker-run-fails <<SH
docker run --rm --network none -v $workspace:/app -w /app registry.example.com/python:3 python -c 'import cart; cart.total(["jam"], {})'
SH
log docker-no-image <<'SH'
docker run --rm registry.invalid/shop:2.4.0
SH
log docker-push <<'SH'
docker tag registry.example.com/python:3 registry.invalid/shop:2.4.0
docker push registry.invalid/shop:2.4.0
SH
chmod 711 "$root"
log docker-not-permitted <<'SH'
setpriv --reuid 65534 --regid 65534 --clear-groups docker build .
SH
kill -KILL "$daemon" # it would wait for its child, which ends with it
wait "$daemon" 2> /dev/null
unset DOCKER_HOST
log docker-no-daemon <<'SH'
docker build --tag shop .
SH

file Containerfile <<'DOCKERFILE'
FROM scratch
COPY base /
WORKDIR /app
COPY cart.py test_cart.py ./
RUN python -m unittest -v test_cart
DOCKERFILE
cp -r "$base" base
log buildah-test <<SH
buildah --root $root/docker/buildah --runroot $root/docker/buildah-run --storage-driver vfs build --isolation chroot --tag shop .
SH
file Containerfile <<'DOCKERFILE'
FROM scratch
COPY requirements.txt ./
DOCKERFILE
log buildah-copy <<SH
buildah --root $root/docker/buildah --runroot $root/docker/buildah-run --storage-driver vfs build --isolation chroot --tag shop .
SH
