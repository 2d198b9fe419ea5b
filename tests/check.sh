#!/bin/sh
# What CI checks beside the tests: direction of includes, shape of files, references, formatting,
# scripts. Seconds.
#
#   tests/check.sh          all of that
#   tests/check.sh format   formats the sources instead of checking them
#   tests/check.sh tidy     clang-tidy over everything (minutes; needs a configured build/release)
set -eu
cd "$(dirname "$0")/.."

sources() { git ls-files -co --exclude-standard -- '*.cpp' '*.hpp'; }
what=${1:-check}

case $what in
format)
  sources | xargs clang-format-14 -i
  ;;
tidy)
  sources | grep -E '^(runtime|schema|actors|cli)/.*\.cpp$' | xargs -P "$(nproc)" -n 4 clang-tidy-14 --quiet -p build/release
  ;;
check)
  python3 tests/lint/layers.py
  python3 tests/lint/files.py
  python3 -B tests/lint/pages_test.py --quiet
  python3 -B tests/lint/pages.py
  python3 tests/deploy/dockerfile.py deploy/fly/Dockerfile
  sources | xargs clang-format-14 --dry-run -Werror
  for script in $(git ls-files -co --exclude-standard -- '*.sh') .ci/run; do
    sh -n "$script" 2>/dev/null || bash -n "$script"
  done
  echo "check: ok"
  ;;
*)
  echo "usage: tests/check.sh [check|format|tidy]" >&2
  exit 2
  ;;
esac
