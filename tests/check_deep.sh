#!/bin/sh
# What is too long for every commit: run before a larger piece of work is called done. Hours on two
# cores. Every step runs, whatever became of those before it; a table at the end says which
# failed. The steps' output is in build/check-deep.
#
#   tests/check_deep.sh [STEP...]     default: all of tsan asan_units asan_programs clang tidy fuzz debian13 arm64
#
# Needs the packages of `deploy/install-deps.sh check`; debian13 and arm64 also root, debootstrap and a mirror.
set -u
cd "$(dirname "$0")/.."
out=build/check-deep
mkdir -p $out

# Data races, in tests without CAF, whose queues ThreadSanitizer does not understand.
tsan() {
  cmake --preset tsan && cmake --build --preset tsan --target larql_unit_tests &&
    ctest --test-dir build/tsan -L unit -j2 --output-on-failure
}

# Memory errors and undefined behaviour.
asan_units() {
  cmake --preset dev && cmake --build --preset dev --target larql_unit_tests larql_actor_tests larql_steady_state_tests &&
    ctest --preset dev -L 'unit|actor'
}

# Whole programs with AddressSanitizer and UBSan: what they do wrong on the way out as well. Tests of
# resident memory are left out, because shadow memory is resident too.
asan_programs() {
  cmake --preset dev && cmake --build --preset dev --target larql larql-node larql_e2e_tests &&
    ctest --preset dev -L e2e -E 'Residency|Soak'
}

clang() { cmake --preset clang && cmake --build --preset clang; }

tidy() { cmake --preset ci && cmake --build --preset ci && tests/check.sh tidy; }

fuzz() { tests/fuzz/run.sh 60; }

debian13() { LARQL_DEPLOY_CHROOT=1 tests/deploy/debian13.sh; }

# 64-bit ARM, emulated: beside the others this takes hours.
arm64() {
  cmake --preset ci && cmake --build --preset ci --target larql larql-node &&
    LARQL_DEPLOY_CHROOT=1 tests/deploy/arm64.sh build/release
}

failed=0
summary=
for step in ${*:-tsan asan_units asan_programs clang tidy fuzz debian13 arm64}; do
  echo "=== $step (output: $out/$step.txt)"
  start=$(date +%s)
  "$step" >"$out/$step.txt" 2>&1
  case $? in
  0) became=ok ;;
  77) became=skipped ;;
  *) became=FAILED; failed=1; tail -25 "$out/$step.txt" ;;
  esac
  summary="$summary$(printf '%-14s %-8s %5s s' "$step" $became $(($(date +%s) - start)))
"
done
printf '\n%s' "$summary"
exit $failed
