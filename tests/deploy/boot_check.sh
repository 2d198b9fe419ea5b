#!/bin/bash
# Run by boot_test.sh inside the booted Debian; everything it says ends up in the test's output.
set -eu
trap 'echo "line $LINENO: $BASH_COMMAND"; journalctl -u $unit -o cat | tail -5' ERR
unit=larql-node@alpha
step() { echo "under systemd: $*"; }
property() { systemctl show -P "$1" $unit; }
ready() { exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3 && head -1 <&3; }
until_true() { for _ in $(seq 100); do if "$@"; then return 0; fi; sleep 0.2; done; echo "never: $*"; journalctl -u $unit | tail; return 1; }

# As deploy/systemd/README.md says, with what this machine has.
install -D -m 644 /usr/share/doc/larql/examples/node.env /etc/larql/alpha.env
sed -i -e 's|^VINDEX_PATH=.*|VINDEX_PATH=/srv/tiny.vindex|' -e 's|^EXPERTS=.*|EXPERTS=|' -e 's|^MLOCK=.*|MLOCK=1|' /etc/larql/alpha.env

systemctl start $unit
[ "$(property ActiveState)" = active ]
ready | grep -q ' 200 '
step "started; start returned when it was ready: $(property StatusText)"

pid=$(property MainPID)
grep -q '^CapEff:.*0000000000000000$' /proc/$pid/status
[ "$(stat -c %u /proc/$pid)" -ge 61184 ]
locked=$(sed -n "s|^VmLck:[^0-9]*||p" /proc/$pid/status)
[ "${locked%% *}" -gt 0 ]
step "runs as a user of its own ($(stat -c %U /proc/$pid)), without capabilities, its experts locked in memory"

last=$(larql inspect /srv/tiny.vindex | sed -n 's/^experts  *\([0-9]*\) per layer.*/\1/p')
larql logits /srv/tiny.vindex --ids "2 3 4" -o /tmp/far --moe-shards "0-$((last - 1))=caf://127.0.0.1:9470"
larql logits /srv/tiny.vindex --ids "2 3 4" -o /tmp/near
cmp /tmp/far /tmp/near
step "gives the logits of the whole"

kill -9 "$pid"
again() { local now; now=$(property MainPID); [ "$now" != 0 ] && [ "$now" != "$pid" ] && ready 2>/dev/null | grep -q ' 200 '; }
until_true again
step "comes back after a crash ($(property NRestarts) restart)"

systemctl stop $unit
journalctl -u $unit -o cat | grep -q 'state=draining'
[ "$(property Result)" = success ]
step "drains when it is stopped"

sed -i 's/^EXPERTS=.*/EXPERTS=5-2/' /etc/larql/alpha.env
! systemctl start $unit 2>/dev/null
[ "$(property ExecMainStatus)" = 2 ] && [ "$(property ActiveState)" = failed ]
step "wrong settings: exit code 2, no restart"
sed -i 's/^EXPERTS=.*/EXPERTS=/' /etc/larql/alpha.env
systemctl reset-failed $unit
systemctl start $unit

pid=$(property MainPID)
DEBIAN_FRONTEND=noninteractive dpkg -i /srv/next.deb >/dev/null
until_true again
step "an upgrade restarts it"
DEBIAN_FRONTEND=noninteractive dpkg -r larql >/dev/null
! systemctl is-active --quiet $unit
step "a removal stops it"
