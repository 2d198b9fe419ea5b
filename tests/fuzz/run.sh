#!/bin/sh
# Builds and runs every fuzz target. Needs the packages of `deploy/install-deps.sh check`.
#
#   tests/fuzz/run.sh [SECONDS_EACH] [TARGET...]      default: 60 seconds, all targets
#
# Corpora grow in build/fuzz-corpus/TARGET; a finding is left there as crash-* and ends the run.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
targets=${*:-vindex checksums gguf safetensors tokenizer wire session hub topology grammar output prompt api}
corpus=$PWD/build/fuzz-corpus

cmake --preset fuzz >/dev/null
# shellcheck disable=SC2086,SC2046  # lists of targets
cmake --build --preset fuzz --target larql_fuzz_seeds $(for t in $targets; do echo "${t}_fuzz"; done)
build/fuzz/bin/larql_fuzz_seeds "$corpus/seeds"
for target in $targets; do
  mkdir -p "$corpus/$target"
  echo "=== $target, $seconds s"
  (cd "$corpus/$target" && "$OLDPWD/build/fuzz/bin/${target}_fuzz" -max_total_time="$seconds" -timeout=20 \
    -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 -verbosity=0 . "$corpus/seeds/$target" 2>"$corpus/$target.log") ||
    { tail -40 "$corpus/$target.log"; exit 1; }
  grep -E 'number_of_executed_units|new_units_added|peak_rss' "$corpus/$target.log"
done
