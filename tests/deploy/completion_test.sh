#!/bin/bash
# The completions that the programs write are scripts of their shells and propose the right words. Shells
# that are missing here are named and left out.
#
#   completion_test.sh LARQL LARQL_NODE
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for program in "$1" "$2"; do
  for shell in bash zsh fish; do
    "$program" --help-completion $shell >"$work/$(basename "$program").$shell"
  done
done

# proposals WORD...: what bash proposes for the last word.
proposals() {
  bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _larql; echo "${COMPREPLY[*]}"' - "$work/larql.bash" "$@"
}
expect() {
  local wanted=$1 got
  shift
  got=$(proposals "$@")
  [ "$got" = "$wanted" ] || { echo "completion of \"$*\": \"$got\", expected \"$wanted\"" >&2; exit 1; }
}
expect 'node laptop operator' larql certs issue --role ''
expect 'run' larql ru
expect 'check' larql topology ch
expect '--force' larql topology init --fo

for shell in bash zsh fish; do
  command -v $shell >/dev/null || { echo "SKIPPED: $shell is missing, its scripts were not checked" >&2; continue; }
  for script in "$work"/*.$shell; do
    if [ $shell = fish ]; then fish --no-execute "$script"; else $shell -n "$script"; fi
  done
done
