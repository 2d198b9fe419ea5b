#!/bin/sh
# The Debian package: made, its dependencies right, installed into a clean Debian 12, and run there.
# Exit code 77: could not be tested. Without root or the network the package is unpacked and looked at
# only.
#
#   package_test.sh BUILD_DIRECTORY      in which larql, larql-node and larql_documentation are built
set -eu
build=$(realpath "$1")
for tool in cpack dpkg-deb dpkg-shlibdeps; do
  command -v $tool >/dev/null || { echo "SKIPPED: $tool is missing" >&2; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
fail() { echo "package: $*" >&2; exit 1; }

(cd "$build" && cpack -G DEB -B "$work/out" >"$work/cpack.log" 2>&1) || { cat "$work/cpack.log" >&2; exit 1; }
deb=$(ls "$work"/out/larql_*.deb)
echo "$(basename "$deb"): $(stat -c %s "$deb") bytes"

depends=$(dpkg-deb -f "$deb" Depends)
echo "Depends: $depends"
for library in libc6 libssl3 libmicrohttpd12 libprometheus-cpp-core libcapnp libfmt9; do
  case $depends in *$library*) ;; *) fail "does not depend on $library" ;; esac
done
case $depends in *-dev*) fail "depends on a -dev package" ;; esac

dpkg-deb -x "$deb" "$work/root"
cd "$work/root"
for file in usr/bin/larql usr/bin/larql-node usr/lib/systemd/system/larql-node@.service \
  usr/share/man/man1/larql.1.gz usr/share/man/man8/larql-node.8.gz \
  usr/share/bash-completion/completions/larql usr/share/bash-completion/completions/larql-node \
  usr/share/zsh/vendor-completions/_larql usr/share/fish/vendor_completions.d/larql.fish \
  usr/share/doc/larql/copyright usr/share/doc/larql/examples/node.env usr/share/doc/larql/examples/topologies/tls.toml; do
  [ -e $file ] || fail "$file is missing"
done
grep -q '^ExecStart=/usr/bin/larql-node$' usr/lib/systemd/system/larql-node@.service || fail "the unit names another program"
usr/bin/larql --version
bash -n usr/share/bash-completion/completions/larql
if command -v man >/dev/null; then
  for page in usr/share/man/man1/larql.1.gz usr/share/man/man8/larql-node.8.gz; do
    said=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -l $page 2>&1 >/dev/null)
    [ -z "$said" ] || fail "$page: $said"
  done
fi
cd /

if [ "${LARQL_DEPLOY_CHROOT:-}" != 1 ]; then
  echo "not installed into a chroot: set LARQL_DEPLOY_CHROOT=1 (root, debootstrap, a Debian mirror)"
  exit 0
fi
[ "$(id -u)" = 0 ] && command -v debootstrap >/dev/null || { echo "SKIPPED: needs root and debootstrap" >&2; exit 77; }
mirror=${LARQL_DEBIAN_MIRROR:-http://deb.debian.org/debian}
debootstrap --variant=minbase bookworm "$work/debian" "$mirror" >"$work/debootstrap.log" 2>&1 ||
  { tail -5 "$work/debootstrap.log" >&2; echo "SKIPPED: debootstrap failed" >&2; exit 77; }
cp "$deb" "$work/debian/tmp/larql.deb"
for list in /etc/apt/apt.conf.d/*proxy*; do [ ! -e "$list" ] || cp "$list" "$work/debian/etc/apt/apt.conf.d/"; done
chroot "$work/debian" sh -ec 'export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y -qq --no-install-recommends /tmp/larql.deb >/dev/null
  larql --version && larql-node --version && apt-get remove -y -qq larql >/dev/null && [ ! -e /usr/bin/larql ]'
