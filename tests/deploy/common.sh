# What the tests of deploy/ share; to be sourced.

# A clean Debian in directory $1, of release $2 (bookworm, which is Debian 12, if not given), for architecture
# $3 (this machine's if not given). LARQL_DEBIAN_BASE names a Debian 12 to copy, made by `debootstrap
# --variant=minbase bookworm DIR`; LARQL_DEBIAN_MIRROR another mirror to make it from.
clean_debian() {
  if [ -n "${LARQL_DEBIAN_BASE:-}" ] && [ "${2:-bookworm}" = bookworm ] && [ -z "${3:-}" ]; then
    cp -a "$LARQL_DEBIAN_BASE" "$1"
  else
    debootstrap --variant=minbase ${3:+--arch="$3"} "${2:-bookworm}" "$1" "${LARQL_DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$1.log" 2>&1 ||
      { tail -5 "$1.log" >&2; skip "debootstrap failed"; }
  fi
  for list in /etc/apt/apt.conf.d/*proxy*; do [ ! -e "$list" ] || cp "$list" "$1/etc/apt/apt.conf.d/"; done
}

# Runs commands in such a Debian, as root and with nothing of this machine's environment.
in_debian() {
  chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 sh -ec "$2" </dev/null
}

# Makes the package of build directory $1: $2/larql.deb, and $2/next.deb with a higher version. Prints its name and size.
make_packages() {
  (cd "$1" && cpack -G DEB -B "$2/out" >"$2/cpack.log" 2>&1) || { cat "$2/cpack.log" >&2; exit 1; }
  (cd "$2/out" && stat -c "%n: %s bytes" larql_*.deb)
  mv "$2"/out/larql_*.deb "$2/larql.deb"
  dpkg-deb -R "$2/larql.deb" "$2/next"
  sed -i 's/^Version: .*/&+next/' "$2/next/DEBIAN/control"
  dpkg-deb -b "$2/next" "$2/next.deb" >/dev/null
}

# Ends the test where something is missing: exit code 77.
skip() { echo "SKIPPED: $*" >&2; exit 77; }

# Tests that fill a clean Debian take minutes, root and a mirror, so they must be asked for.
wants_chroot() {
  [ "${LARQL_DEPLOY_CHROOT:-}" = 1 ] || return 1
  [ "$(id -u)" = 0 ] || skip "needs root"
  [ -n "${LARQL_DEBIAN_BASE:-}" ] || command -v debootstrap >/dev/null || skip "needs debootstrap"
}

# Prints what is missing or wrong of an installation below $1 with prefix $2; nothing if it is right.
# Programs must run on this machine.
complain_about_installation() (
  cd "$1$2" || exit 1
  for file in bin/larql bin/larql-node lib/systemd/system/larql-node@.service lib/systemd/system/larql-serve@.service \
    share/man/man1/larql.1.gz share/man/man8/larql-node.8.gz \
    share/bash-completion/completions/larql share/bash-completion/completions/larql-node \
    share/zsh/vendor-completions/_larql share/zsh/vendor-completions/_larql-node \
    share/fish/vendor_completions.d/larql.fish share/fish/vendor_completions.d/larql-node.fish \
    share/doc/larql/copyright share/doc/larql/README.md share/doc/larql/docs/operations.md \
    share/doc/larql/examples/node.env share/doc/larql/examples/tls.conf share/doc/larql/examples/larql.rules.yml \
    share/doc/larql/examples/serve.env share/doc/larql/examples/serve-keys.conf share/doc/larql/docs/serve.md \
    share/doc/larql/examples/topologies/tls.toml; do
    [ -s $file ] || echo "$file is missing"
  done
  grep -q "^ExecStart=$2/bin/larql-node\$" lib/systemd/system/larql-node@.service || echo "the unit names another program"
  grep -q "^ExecStart=$2/bin/larql serve " lib/systemd/system/larql-serve@.service || echo "the server's unit names another program"
  for program in larql larql-node; do
    bin/$program --version >/dev/null || echo "$program does not start"
    bash -n share/bash-completion/completions/$program || echo "completion of $program is no bash"
  done
  command -v man >/dev/null || exit 0
  for page in share/man/man1/larql.1.gz share/man/man8/larql-node.8.gz; do
    LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -l $page 2>&1 >/dev/null
  done
)
