# The shell itself, and what nearly every script calls.

project shell
log shell-command-not-found <<'SH'
echo Deploying
kubctl apply -f deploy.yaml
SH
log shell-no-such-script <<'SH'
echo Building
./build.sh --release
SH
printf '#!/bin/sh\necho hello\n' > deploy.sh
log shell-permission-denied <<'SH'
./deploy.sh production
SH
log shell-no-such-file <<'SH'
echo 0 errors
cat config/prices.yaml
SH
log shell-unbound <<'SH'
#!/bin/sh
set -u
echo "Deploying $VERSION"
SH
printf 'if true; then\n  echo "half a script\n' > half.sh
log shell-syntax <<'SH'
bash half.sh
SH
log shell-test-is-false <<'SH'
branch=feature/login
echo "On $branch"
[ "$branch" = main ]
SH
file release.sh <<'BASH'
#!/bin/bash
set -e
echo "Checking 14 files"
if [ ! -f CHANGELOG.md ]; then
  echo "CHANGELOG.md has no entry for 2.4.0"
  exit 1
fi
BASH
log shell-own-message <<'SH'
if ! grep -q 2.4.0 CHANGELOG.md 2>/dev/null; then
  echo "CHANGELOG.md has no entry for 2.4.0"
  exit 1
fi
SH
log shell-disk-full <<'SH'
seq 1 20000 > numbers
cp numbers /dev/full
SH
log shell-killed <<'SH'
bash -c 'echo "Loading 12 GB of prices"; bash -c "kill -9 \$\$"; exit $?'
SH
log shell-unknown-host <<'SH'
curl -fsS https://prices.invalid/today.json -o today.json
SH
log shell-refused <<'SH'
curl --fail --silent --show-error http://127.0.0.1:9/health
SH
# The first try fails and the second passes; a later command fails.
file fetch.sh <<'BASH'
#!/bin/sh
if [ ! -e tried ]; then
  touch tried
  echo "curl: (28) Operation timed out after 3000 milliseconds with 0 bytes received" >&2
  exit 28
fi
echo "Fetched 14 prices"
BASH
file main.c <<<'int main(void) { return missing; }'
log shell-retry-passed <<'SH'
for try in 1 2 3; do
  if sh fetch.sh; then break; fi
  sleep 0.1
done
gcc -c main.c
SH
log shell-nothing-wrong <<'SH'
echo "Compiled error_handler.c: 0 errors, 0 warnings"
echo "Tests run: 14, Failures: 0, Errors: 0, Skipped: 0"
echo "No fatal problems; the error rate is 0.0 %"
for i in 1 2 3; do echo "Uploading failed-tests.html: $((i * 33)) %"; done
echo "Done: errors=0 failures=0"
SH
log shell-noise-then-missing-file <<'SH'
set +x
for i in $(seq 1 400); do echo "Downloading layer $i of 400: error_codes_$i.tar.gz $((i / 4))%"; done
echo "WARNING: error: tolerance is set to 0.05"
echo "INFO: retrying after error code 0 (no error)"
set -x
tar -xzf error_codes_401.tar.gz
echo unpacked
SH
