#!/bin/sh
# Installs everything that building, testing and the demo need, from Debian 12 packages only.
# Used by the Makefile (`make deps`) and by .ci/run. Safe to repeat; does nothing when all is there.
#
#   deploy/install-deps.sh [build|check|arm64]
#
#     check   adds what only the lint and fuzz jobs need
#     arm64   what making programs for 64-bit ARM on another machine needs, with `cmake --preset arm64`. Some of
#             these libraries cannot stand beside this machine's own, and none of those is removed for them:
#             to be used in a Debian of its own, as tests/deploy/arm64.sh does
set -eu

tools="cmake ninja-build make pkg-config git python3 python3-numpy capnproto dpkg-dev file"
headers="libcli11-dev nlohmann-json3-dev"
libraries="libcaf-dev libcapnp-dev libfmt-dev libgtest-dev libbenchmark-dev libsimdjson-dev libtomlplusplus-dev
  libssl-dev libedit-dev libcurl4-openssl-dev libmicrohttpd-dev prometheus-cpp-dev"
check="curl tmux python3-yaml systemd man-db clang-14 libclang-rt-14-dev clang-format-14 clang-tidy-14"

# shellcheck disable=SC2086  # lists of package names
case ${1:-build} in
build) want="g++ $tools $headers $libraries" ;;
check) want="g++ $tools $headers $libraries $check" ;;
arm64) want="g++-aarch64-linux-gnu qemu-user-static $tools $headers $(printf '%s:arm64 ' $libraries)" ;;
*) echo "install-deps: \"$1\", expected build, check or arm64" >&2; exit 2 ;;
esac

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
keep=
if [ "${1:-build}" = arm64 ]; then
  $as_root dpkg --add-architecture arm64
  keep=--no-remove
fi
$as_root apt-get update -qq
# shellcheck disable=SC2086  # a list of package names
$as_root apt-get install -y -qq --no-install-recommends $keep $missing
