#!/bin/sh
# The Debian package: made, its dependencies right, complete. If asked for (LARQL_DEPLOY_CHROOT=1, with root
# and a Debian mirror) it is installed into a clean Debian 12, where an extract, a node and an answer
# work; upgraded, removed, purged. Exit code 77: could not be tested.
#
#   package_test.sh BUILD_DIRECTORY [ARCHITECTURE]
#
# In BUILD_DIRECTORY larql, larql-node and larql_documentation are built; ARCHITECTURE is Debian's name of what
# they are for, where that is not this machine's: it must be able to run them (tests/deploy/arm64.sh).
set -eu
here=$(realpath "$(dirname "$0")")
. "$here/common.sh"
build=$(realpath "$1")
architecture=${2:-}
for tool in cpack dpkg-deb dpkg-shlibdeps; do
  command -v $tool >/dev/null || skip "$tool is missing"
done
work=$(mktemp -d "${TMPDIR:-/var/tmp}/larql-package.XXXXXX")
leave() {
  umount "$work/debian/proc" 2>/dev/null || true
  rm -rf --one-file-system "$work"
}
trap leave EXIT
trap 'exit 130' INT TERM
fail() { echo "package: $*" >&2; exit 1; }

make_packages "$build" "$work"
deb=$work/larql.deb
depends=$(dpkg-deb -f "$deb" Depends)
echo "Depends: $depends"
for library in libc6 libssl3 libmicrohttpd12 libprometheus-cpp-core libcapnp libfmt9; do
  case $depends in *$library*) ;; *) fail "does not depend on $library" ;; esac
done
case $depends in *-dev*) fail "depends on a -dev package" ;; esac

dpkg-deb -x "$deb" "$work/root"
said=$(complain_about_installation "$work/root" /usr)
[ -z "$said" ] || fail "$said"
"$work/root/usr/bin/larql" --version

wants_chroot || { echo "not installed into a clean Debian: set LARQL_DEPLOY_CHROOT=1 (root, a Debian mirror)"; exit 0; }
root=$work/debian
clean_debian "$root" bookworm "$architecture"
mount -t proc proc "$root/proc"
cp "$deb" "$work/next.deb" "$root/tmp"
cp "$here/../golden/tiny-Q4_0.gguf" "$root/tmp/tiny.gguf"
inside() {
  in_debian "$root" "$1" >"$work/inside.log" 2>&1 || { tail -20 "$work/inside.log" >&2; fail "in a clean Debian: $2"; }
  echo "in a clean Debian: $2"
}
inside 'apt-get update -qq && apt-get install -y -qq --no-install-recommends /tmp/larql.deb
  dpkg -s larql | grep -q "^Status: install ok installed"' "installed with its dependencies"
inside 'larql extract /tmp/tiny.gguf -o /tmp/tiny.vindex && larql verify --deep /tmp/tiny.vindex
  larql-node /tmp/tiny.vindex --port 0 >/tmp/node.out & node=$!
  until grep -q "ready on" /tmp/node.out; do kill -0 $node; sleep 0.1; done
  address=$(sed -n "s/.* ready on \([0-9.:]*\): experts.*/\1/p" /tmp/node.out)
  experts=$(sed -n "s/.*: experts \([0-9-]*\),.*/\1/p" /tmp/node.out)
  answer() { larql logits /tmp/tiny.vindex --ids "2 3 4" -o "$@"; }
  answer /tmp/far --moe-shards "$experts=caf://$address"
  answer /tmp/near
  cmp /tmp/far /tmp/near
  kill $node && wait $node' "extract, node and laptop give equal logits"
inside 'apt-get install -y -qq --no-install-recommends /tmp/next.deb
  dpkg -s larql | grep -q "^Version: .*+next$" && larql --version' "upgraded"
inside 'apt-get remove -y -qq larql && [ ! -e /usr/bin/larql ] && [ ! -e /usr/lib/systemd/system/larql-node@.service ]' "removed"
inside 'apt-get install -y -qq /tmp/larql.deb && apt-get purge -y -qq larql
  ! dpkg -s larql >/dev/null 2>&1
  left=$(find / -xdev -iname "*larql*" ! -path "/tmp/*" ! -path "/proc/*" ! -path "/var/log/*"); echo "$left"; [ -z "$left" ]' \
  "purged without a trace"
