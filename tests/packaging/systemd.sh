#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# systemd.sh BUILD_DIR: the units are good, confine the programs as far as docs/SECURITY.md says, and
# name what is installed; and the engine serves as an ordinary user within the limits of its unit.
set -eu
build=$1
here=$(dirname "$0")
root=$(mktemp -d)
engine=
cleanup() {
    [ -z "$engine" ] || kill "$engine" 2>/dev/null || true
    rm -rf "$root"
}
trap cleanup EXIT
fail() {
    echo "$*" >&2
    exit 1
}

chmod 755 "$root"
cmake --install "$build" --prefix "$root/usr" >/dev/null
units=$root/usr/lib/systemd/system
for file in lib/sysusers.d/stockd.conf lib/tmpfiles.d/stockd.conf share/stockd/stockd.conf; do
    [ -f "$root/usr/$file" ] || fail "not installed: $file"
done
! grep -r '@[a-z]*@' "$root/usr/lib/systemd" "$root/usr/lib/tmpfiles.d" ||
    fail "a name was not filled in"

# The config that is installed is one.
sed "s|/var/lib/stockd|$root/data|" "$root/usr/share/stockd/stockd.conf" >"$root/stockd.conf"
"$root/usr/bin/stockd" --config "$root/stockd.conf" --check-config >/dev/null ||
    fail "stockd refuses the config that is installed"

# As the unit starts it: a user without capabilities, who can gain none, and as much locked memory as
# LimitMEMLOCK= says, for as many workers as there can be beside Redis and the ops port.
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
    megabytes=$(sed -n 's/^LimitMEMLOCK=\([0-9]*\)M$/\1/p' "$units/stockd.service")
    mkdir -m 700 "$root/data"
    chown 65534:65534 "$root/data"
    touch "$root/log"
    workers=61
    limit="prlimit --memlock=$((megabytes << 20))"
    $limit true 2>/dev/null || { # this machine's own limit is lower, and fixed
        workers=8
        limit=
    }
    $limit setpriv --reuid 65534 --regid 65534 --clear-groups \
        --bounding-set -all --inh-caps -all --no-new-privs \
        "$root/usr/bin/stockd" --data "$root/data" --listen "unix:$root/data/socket" \
        --workers $workers --ready-file "$root/data/ready" >"$root/log" 2>&1 &
    engine=$!
    while [ ! -e "$root/data/ready" ]; do # CTest ends it if that never comes
        kill -0 "$engine" 2>/dev/null || fail "stockd does not start: $(cat "$root/log")"
        sleep 0.05
    done
    "$root/usr/bin/stockctl" -s "unix:$root/data/socket" receive SKU main 1 >/dev/null
    kill "$engine"
    wait "$engine" || fail "stockd did not stop cleanly: $(cat "$root/log")"
    engine=
else
    echo "not tested: the engine without capabilities (needs root and setpriv)"
fi

if ! command -v systemd-analyze >/dev/null; then
    echo "skipped: there is no systemd-analyze (Debian: systemd)"
    exit 77
fi
said=$(systemd-analyze verify "$units"/*.service 2>&1) || fail "systemd-analyze verify: $said"
[ -z "$said" ] || fail "systemd-analyze verify: $said"
for unit in stockd stock-gateway; do
    # In tenths: 2.0.
    systemd-analyze security --offline=yes --threshold=20 --no-pager "$units/$unit.service" \
        >"$root/security" || fail "$(cat "$root/security")"
    tail -n 1 "$root/security"
done
"$here/unit_calls.py" "$units/stockd.service" "$here/../../tools/stockd/system_calls.def"
