#!/bin/sh
# The unit under a real systemd: a clean Debian 12 with the package is booted by systemd-nspawn, and inside
# larql-node@alpha starts, says that it is ready, answers, comes back after a crash, stays down with
# wrong settings, drains, and is restarted by an upgrade and stopped by a removal. Must be asked for.
#
#   LARQL_DEPLOY_CHROOT=1 boot_test.sh BUILD_DIRECTORY
#
# Exit code 77: could not be tested.
set -eu
here=$(realpath "$(dirname "$0")")
. "$here/common.sh"
build=$(realpath "$1")
wants_chroot || skip "set LARQL_DEPLOY_CHROOT=1 (root, a Debian mirror, systemd-nspawn)"
for tool in systemd-nspawn cpack dpkg-deb; do
  command -v $tool >/dev/null || skip "$tool is missing"
done
work=$(mktemp -d "${TMPDIR:-/var/tmp}/larql-boot.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT TERM
root=$work/debian
clean_debian "$root"
make_packages "$build" "$work" >/dev/null
cp "$work/larql.deb" "$work/next.deb" "$here/../golden/tiny-Q4_0.gguf" "$root/srv"
in_debian "$root" 'apt-get update -qq
  apt-get install -y -qq --no-install-recommends systemd systemd-sysv dbus /srv/larql.deb
  larql extract /srv/tiny-Q4_0.gguf -o /srv/tiny.vindex' >"$work/log" 2>&1 || { tail -20 "$work/log" >&2; exit 1; }
install -m 755 "$here/boot_check.sh" "$root/srv/check.sh"
cat >"$root/etc/systemd/system/check.service" <<'UNIT'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c '/srv/check.sh >/srv/result 2>&1; echo "exit $?" >>/srv/result'
ExecStartPost=/bin/systemctl --no-block poweroff
TimeoutStartSec=5min
[Install]
WantedBy=graphical.target
UNIT
mkdir -p "$root/etc/systemd/system/graphical.target.wants"
ln -s ../check.service "$root/etc/systemd/system/graphical.target.wants/check.service"
# A container may not lock memory unless told otherwise; on a machine the unit may.
timeout 400 systemd-nspawn --quiet --system-call-filter=@memlock --boot --register=no --keep-unit --private-network -D "$root" >"$work/console" 2>&1 </dev/null || true
[ -e "$root/srv/result" ] || { tail -5 "$work/console" >&2; skip "systemd cannot be booted here"; }
cat "$root/srv/result"
tail -1 "$root/srv/result" | grep -qx 'exit 0'
