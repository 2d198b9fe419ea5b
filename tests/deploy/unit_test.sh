#!/bin/sh
# The systemd unit is understood, complete and as closed as it says. Exit code 77: could not be tested.
#
#   unit_test.sh LARQL_NODE
set -eu
cd "$(dirname "$0")/../.."
node=$(realpath "$1")
command -v systemd-analyze >/dev/null || { echo "SKIPPED: systemd-analyze is missing" >&2; exit 77; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The program stands elsewhere until it is installed, and so does its manual page.
sed -e "s|/usr/bin/larql-node|$node|" -e '/^Documentation=/d' 'deploy/systemd/larql-node@.service' >"$work/larql-node@.service"
cp "$work/larql-node@.service" "$work/larql-node@alpha.service"
# With the example of certificates that only root can read.
mkdir "$work/root" "$work/larql-node@.service.d"
cp deploy/systemd/tls.conf "$work/larql-node@.service.d/tls.conf"
if ! said=$(systemd-analyze verify --man=no "$work/larql-node@alpha.service" 2>&1) || [ -n "$said" ]; then
  # Other units of this machine are not ours to judge.
  ours=$(printf '%s\n' "$said" | grep -F larql || true)
  [ -z "$ours" ] || { printf '%s\n' "$ours" >&2; exit 1; }
fi
exposure=$(systemd-analyze security --offline=true "$work/larql-node@alpha.service" 2>/dev/null | sed -n 's/.*exposure level for [^:]*: \([0-9.]*\).*/\1/p')
echo "exposure level $exposure"
# 0 is closed, 10 is open; below 2.5 was reached when this was written.
awk -v e="${exposure:-10}" 'BEGIN { exit !(e < 2.5) }'
