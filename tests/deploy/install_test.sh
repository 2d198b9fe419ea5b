#!/bin/sh
# `make install` brings everything, below DESTDIR and nowhere else, for any prefix; and the unit names
# the program where it was installed.
#
#   install_test.sh BUILD_DIRECTORY      in which larql, larql-node and larql_documentation are built
set -eu
here=$(realpath "$(dirname "$0")")
. "$here/common.sh"
build=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "install: $*" >&2; exit 1; }

for prefix in /usr/local /opt/larql; do
  DESTDIR=$work/root cmake --install "$build" --prefix $prefix --strip >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
  said=$(complain_about_installation "$work/root" $prefix)
  [ -z "$said" ] || fail "$prefix: $said"
  elsewhere=$(find "$work/root" ! -type d ! -path "$work/root$prefix/*")
  [ -z "$elsewhere" ] || fail "$prefix: not below the prefix: $elsewhere"
  ! grep -rqlF "$work" "$work/root" || fail "$prefix: a file names the directory it was staged in"
  find "$work/root$prefix" -type f -perm /022 | grep . && fail "$prefix: files that others may write"
  echo "$prefix: $(find "$work/root" -type f | wc -l) files, $(du -sm "$work/root" | cut -f1) MB"
  rm -rf "$work/root"
done
