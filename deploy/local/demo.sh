#!/bin/sh
# The main job on one machine: two expert nodes on loopback, each with half of the experts, and a
# prompt answered by a laptop node that has none. Stops the nodes at the end, whatever happens.
#
#   deploy/local/demo.sh ["prompt"]
set -eu

cd "$(dirname "$0")/../.."
bin=build/release/bin
work=build/demo
model=$work/larql-demo.vindex
prompt=${1:-The capital of France is}

mkdir -p $work
if [ ! -e $model/index.json ] || [ tests/demo_model/larql-demo.gguf -nt $model/index.json ]; then
  rm -rf $model
  # --force: what an interrupted run of another model left is of no use
  if ! $bin/larql extract tests/demo_model/larql-demo.gguf -o $model --force >$work/extract.log 2>&1; then
    cat $work/extract.log >&2
    exit 1
  fi
fi

nodes=
stop_nodes() {
  # shellcheck disable=SC2086  # a list of process ids
  [ -z "$nodes" ] || kill $nodes 2>/dev/null || true
  wait 2>/dev/null || true
}
trap stop_nodes EXIT
trap 'exit 130' INT TERM

# start_node NAME EXPERTS: the port is any free one; the ready line says which.
start_node() {
  rm -f "$work/$1.out"
  $bin/larql-node $model --experts "$2" --name "$1" --port 0 >"$work/$1.out" 2>"$work/$1.log" &
  nodes="$nodes $!"
  tries=0
  until grep -q ready "$work/$1.out" 2>/dev/null; do
    tries=$((tries + 1))
    if [ $tries -gt 100 ] || ! kill -0 $! 2>/dev/null; then
      echo "demo: node $1 did not start:" >&2
      cat "$work/$1.log" >&2
      exit 1
    fi
    sleep 0.1
  done
  cat "$work/$1.out"
  port=$(sed -n 's/.*ready on [^:]*:\([0-9]*\):.*/\1/p' "$work/$1.out")
}

start_node a 0-7
a=$port
start_node b 8-15
b=$port

echo "> $prompt"
$bin/larql run $model --raw --max-tokens 20 \
  --moe-shards "0-7=caf://127.0.0.1:$a,8-15=caf://127.0.0.1:$b" "$prompt"
echo
echo "next: $bin/larql chat $model, or the page of $bin/larql serve $model"
