# Git.

project git
(
  git init -q --bare ../origin.git
  git init -q .
  echo 'total = 1' > cart.py && git add . && git commit -qm Start
  git remote add origin ../origin.git
  git push -q origin main
  git checkout -qb feature && echo 'total = 2' > cart.py && git commit -qam Feature
  git checkout -q main && echo 'total = 3' > cart.py && git commit -qam Main
)
log git-merge-conflict <<'SH'
git merge feature
SH
git merge --abort
log git-unknown-branch <<'SH'
git fetch origin
git checkout release/2.4
SH
log git-unknown-host <<'SH'
git clone https://git.invalid/shop/cart.git
SH
log git-no-repository <<'SH'
git clone ../elsewhere.git cart
SH
(
  git clone -q ../origin.git ../other
  cd ../other && echo 'total = 4' > cart.py && git commit -qam Other && git push -q origin main
)
log git-push-rejected <<'SH'
git push origin main
SH
printf -- '--- a/cart.py\n+++ b/cart.py\n@@ -1 +1 @@\n-total = 9\n+total = 10\n' > fix.patch
log git-apply <<'SH'
git apply fix.patch
SH
git config commit.gpgsign false
printf '#!/bin/sh\necho "error: the message needs a ticket number" >&2\nexit 1\n' > .git/hooks/commit-msg
chmod +x .git/hooks/commit-msg
log git-hook <<'SH'
git commit --allow-empty -m "Release"
SH
