#!/bin/sh
# Runs a cluster of four nodes with kills for a long time and fails if a generation goes wrong or the
# laptop or a node grows: memory, descriptors, threads, or messages in the mailboxes of its actors.
#
#   tests/bench/soak.sh [SECONDS] [BUILD DIRECTORY]      default: 1800, build/release
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
seconds=${1:-1800}
build=${2:-$root/build/release}
case $seconds in
'' | *[!0-9]* | 0)
  echo "soak.sh: SECONDS is \"$seconds\", expected a whole number above 0" >&2
  exit 2
  ;;
esac
if [ ! -x "$build/bin/larql_e2e_tests" ]; then
  echo "soak.sh: $build/bin/larql_e2e_tests: not built (cmake --build --preset release)" >&2
  exit 2
fi
LARQL_SOAK=$seconds exec "$build/bin/larql_e2e_tests" --gtest_filter=Soak.NothingGrows
