#!/bin/sh
# Installs everything that building, testing and the demo need, from Debian 12 packages only.
# Used by the Makefile (`make deps`) and by .ci/run. Safe to repeat; does nothing when all is there.
#
#   deploy/install-deps.sh [build|check]   check adds what only the lint and fuzz jobs need
set -eu

build="g++ cmake ninja-build make pkg-config git python3 python3-numpy
  libcaf-dev capnproto libcapnp-dev libfmt-dev libgtest-dev libbenchmark-dev
  libcli11-dev nlohmann-json3-dev libsimdjson-dev libtomlplusplus-dev libssl-dev libedit-dev
  libcurl4-openssl-dev libmicrohttpd-dev prometheus-cpp-dev dpkg-dev file"
check="curl tmux python3-yaml systemd man-db clang-14 libclang-rt-14-dev clang-format-14 clang-tidy-14"

want=$build
[ "${1:-build}" = check ] && want="$build $check"

missing=
for package in $want; do
  dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^.i' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "install-deps: need root or sudo to install:$missing" >&2; exit 1; }
  as_root=sudo
fi
echo "install-deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086  # a list of package names
$as_root apt-get install -y -qq --no-install-recommends $missing
