#!/bin/sh
# The alert rules are understood, and raised by the nodes they are for; every metric in them is one
# that a node has. Exit code 77: could not be tested.
set -eu
cd "$(dirname "$0")/../.."
for metric in $(grep -o 'larql_[a-z_]*' deploy/prometheus/larql.rules.yml | sort -u); do
  grep -q "\"$metric\"" cli/node/metrics.cpp || { echo "$metric: no node has this metric" >&2; exit 1; }
done
for alert in $(sed -n 's/.*alert: //p' deploy/prometheus/larql.rules.yml); do
  grep -q "$alert" docs/operations.md || { echo "$alert: docs/operations.md does not say what to do" >&2; exit 1; }
done
command -v promtool >/dev/null || { echo "SKIPPED: promtool is missing (Debian: prometheus)" >&2; exit 77; }
promtool check rules deploy/prometheus/larql.rules.yml
promtool test rules deploy/prometheus/larql.test.yml
