#!/bin/sh
# Builds the last commit in a clean Debian 13 and runs its unit, actor and end-to-end tests there: a newer
# compiler, CAF 0.17.6, Cap'n Proto 1.1, libmicrohttpd 1.0. Must be asked for, because it takes half an hour.
#
#   LARQL_DEPLOY_CHROOT=1 debian13.sh      LARQL_DEBIAN13 names a directory to keep between runs
#
# Exit code 77: could not be tested.
set -eu
here=$(realpath "$(dirname "$0")")
. "$here/common.sh"
wants_chroot || skip "set LARQL_DEPLOY_CHROOT=1 (root, debootstrap, a Debian mirror)"
root=${LARQL_DEBIAN13:-}
kept=$root
[ -n "$root" ] || root=$(mktemp -d "${TMPDIR:-/var/tmp}/larql-debian13.XXXXXX")/debian
leave() {
  for mounted in proc sys dev/pts dev/shm dev; do umount "$root/$mounted" 2>/dev/null || true; done
  [ -n "$kept" ] || rm -rf --one-file-system "$(dirname "$root")"
}
trap leave EXIT
trap 'exit 130' INT TERM
[ -e "$root/etc/debian_version" ] || clean_debian "$root" trixie
for mounted in proc sys dev dev/pts dev/shm; do mount --bind "/$mounted" "$root/$mounted"; done

mkdir -p "$root/srv/larql"
git -C "$(git -C "$here" rev-parse --show-toplevel)" archive --format=tar HEAD | tar -x -C "$root/srv/larql"
in_debian "$root" 'cd /srv/larql && deploy/install-deps.sh build && apt-get install -y -qq --no-install-recommends procps openssl
  g++ --version | head -1; dpkg-query -W libcaf-dev libcapnp-dev libmicrohttpd-dev libfmt-dev libgtest-dev
  cmake --preset ci && cmake --build --preset ci &&
  ctest --preset release -L "unit|golden|actor|e2e" -E Soak'
