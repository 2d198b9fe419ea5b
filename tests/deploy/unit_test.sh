#!/bin/sh
# The systemd units are understood, complete and as closed as they say. Exit code 77: could not be tested.
#
#   unit_test.sh LARQL_NODE LARQL
set -eu
cd "$(dirname "$0")/../.."
node=$(realpath "$1")
larql=$(realpath "$2")
command -v systemd-analyze >/dev/null || { echo "SKIPPED: systemd-analyze is missing" >&2; exit 77; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# check UNIT INSTANCE DROP_IN: with the example of secrets that only root can read.
check() {
  # The programs stand elsewhere until they are installed, and so do their manual pages.
  sed -e "s|/usr/bin/larql-node|$node|" -e "s|/usr/bin/larql |$larql |" -e '/^Documentation=/d' "deploy/systemd/$1" >"$work/$1"
  cp "$work/$1" "$work/$2"
  mkdir "$work/$1.d"
  sed -e "s|/usr/bin/larql |$larql |" "deploy/systemd/$3" >"$work/$1.d/$3"
  if ! said=$(systemd-analyze verify --man=no "$work/$2" 2>&1) || [ -n "$said" ]; then
    # Other units of this machine are not ours to judge.
    ours=$(printf '%s\n' "$said" | grep -F larql || true)
    [ -z "$ours" ] || { printf '%s\n' "$ours" >&2; exit 1; }
  fi
  exposure=$(systemd-analyze security --offline=true "$work/$2" 2>/dev/null | sed -n 's/.*exposure level for [^:]*: \([0-9.]*\).*/\1/p')
  echo "$2: exposure level $exposure"
  # 0 is closed, 10 is open; below 2.5 was reached when this was written.
  awk -v e="${exposure:-10}" 'BEGIN { exit !(e < 2.5) }'
}
check larql-node@.service larql-node@alpha.service tls.conf
check larql-serve@.service larql-serve@main.service serve-keys.conf
