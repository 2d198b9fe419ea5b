#!/bin/sh
# 64-bit ARM without such a machine. The last commit is cross-built in a clean Debian 12; its unit and golden tests
# run emulated, the kernels' on processors with each set of instructions and a page size of 64 KiB; `larql logits`
# gives the bytes that this machine's build gives; a laptop of one architecture and a node of the other give
# the same ids; the package works in a clean Debian for arm64. Must be asked for, because emulation takes hours.
#
#   LARQL_DEPLOY_CHROOT=1 arm64.sh BUILD_DIRECTORY     with this machine's larql and larql-node of the same commit
#
# LARQL_ARM64 names a directory to keep between runs. Exit code 77: could not be tested.
set -eu
here=$(realpath "$(dirname "$0")")
. "$here/common.sh"
. "$here/emulation.sh"
build=$(realpath "$1")
wants_chroot || skip "set LARQL_DEPLOY_CHROOT=1 (root, debootstrap, a Debian mirror)"
root=${LARQL_ARM64:-}
kept=$root
[ -n "$root" ] || root=$(mktemp -d "${TMPDIR:-/var/tmp}/larql-arm64.XXXXXX")/debian
work=$(mktemp -d)
node=
leave() {
  [ -z "$node" ] || kill "$node" 2>/dev/null || true
  forget_emulation
  for mounted in proc sys dev/pts dev/shm dev; do umount "$root/$mounted" 2>/dev/null || true; done
  rm -rf "$work"
  [ -n "$kept" ] || rm -rf --one-file-system "$(dirname "$root")"
}
trap leave EXIT
trap 'exit 130' INT TERM
step() { echo "arm64: $*"; }
fail() { echo "arm64: $*" >&2; exit 1; }

[ -e "$root/etc/debian_version" ] || clean_debian "$root"
for mounted in proc sys dev dev/pts dev/shm; do mount --bind "/$mounted" "$root/$mounted"; done
mkdir -p "$root/srv/larql"
git -C "$(git -C "$here" rev-parse --show-toplevel)" archive --format=tar HEAD | tar -x -C "$root/srv/larql"
inside() { in_debian "$root" "cd /srv/larql; $1"; }

inside 'deploy/install-deps.sh arm64
  apt-get install -y -qq --no-install-recommends debootstrap procps openssl
  cmake --preset arm64 -DLARQL_WERROR=ON
  cmake --build --preset arm64 --target larql larql-node larql_unit_tests larql_documentation'
file -b "$root/srv/larql/build/arm64/bin/larql" | grep -q aarch64 || fail "the programs are not for ARM"
inside 'python3 -B tests/lint/instructions.py build/arm64'
step "built; instructions that not every processor has are in the kernels only"

inside "ctest --preset arm64 -L 'unit|golden' -E '$not_emulated'"
step "unit and golden tests"
kernels='EveryEncoding|RowOps|SameBits|Kernel|NotFinite|Half|Quantiser|Oracle'
# Dot products without matrix multiplication, and neither of the two.
for processor in neoverse-n1 cortex-a72; do
  inside "QEMU_CPU=$processor ctest --preset arm64 -R '$kernels' -E '$not_emulated'"
  step "the kernels on a $processor"
done
inside "QEMU_PAGESIZE=65536 ctest --preset arm64 -R 'Mapped|Kv|ExpertBank|Located|Tokenizer|DenseWeights|SourceBytes|Vindex' -E '$not_emulated'"
step "pages of 64 KiB"

here_larql() { "$build/bin/larql" "$@"; }
arm() { program=$1 && shift && "$root/usr/bin/qemu-aarch64-static" -L "$root" "$root/srv/larql/build/arm64/bin/$program" "$@"; }

for gguf in "$here"/../golden/tiny-*.gguf "$root"/srv/larql/build/arm64/tests/golden/tiny-*.gguf "$here/../demo_model/larql-demo.gguf"; do
  name=$(basename "$gguf" .gguf)
  model=$work/$name.vindex
  here_larql extract "$gguf" -o "$model" >/dev/null
  ids="2 5 9 4 7 11 3 8 6 10 2 5 5 12 13 14 15 16 17 18"
  here_larql logits "$model" --ids "$ids" -o "$work/here" --force
  for level in '' i8mm neon scalar; do
    LARQL_SIMD=$level arm larql logits "$model" --ids "$ids" -o "$work/arm" --force
    cmp "$work/here" "$work/arm" || fail "$name: other logits with kernels \"$level\""
  done
  arm larql extract "$gguf" -o "$work/$name.arm.vindex" >/dev/null
  diff -r "$model" "$work/$name.arm.vindex" || fail "$name: extract writes other bytes"
  step "$name: the logits and the files of $(uname -m)"
done

model=$work/larql-demo.vindex
# start_node COMMAND...: with all experts but the first four; leaves its process in $node and what to dial in $shards.
start_node() {
  "$@" "$model" --experts 4-15 --port 0 >"$work/node.out" 2>"$work/node.log" &
  node=$!
  until grep -q 'ready on' "$work/node.out"; do
    kill -0 "$node" || { cat "$work/node.log" >&2; fail "the node did not start"; }
    sleep 0.1
  done
  shards="4-15=caf://$(sed -n 's/.*ready on \([0-9.:]*\): experts.*/\1/p' "$work/node.out")"
}
stop_node() { kill "$node" && wait "$node" || true; node=; }
answer() { "$@" run "$model" --raw --token-ids --ignore-eos --max-tokens 24 ${shards:+--moe-shards "$shards"} "The capital of France is"; }

shards=
answer here_larql >"$work/alone"
[ "$(wc -l <"$work/alone")" = 24 ] || fail "the demo model gave no 24 ids"
start_node arm larql-node
answer here_larql >"$work/far"
cmp "$work/alone" "$work/far" || fail "other ids with a node on ARM"
step "a node on ARM gives a laptop on $(uname -m) its ids"
stop_node
start_node "$build/bin/larql-node"
answer arm larql >"$work/far"
cmp "$work/alone" "$work/far" || fail "other ids with a laptop on ARM"
step "a node on $(uname -m) gives a laptop on ARM its ids"
stop_node

emulate_arm64 "$root/usr/bin/qemu-aarch64-static" || fail "binfmt_misc is not to be had: the package was not installed"
inside "LARQL_DEPLOY_CHROOT=1 LARQL_DEBIAN_MIRROR='${LARQL_DEBIAN_MIRROR:-}' tests/deploy/package_test.sh build/arm64 arm64"
step "the package works in a clean Debian"
