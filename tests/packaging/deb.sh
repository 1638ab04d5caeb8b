#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# deb.sh DIRECTORY: the Debian packages there are clean by lintian, and do in a bare Debian what their
# users do: install, serve, upgrade without losing stock or settings, remove, purge. As root, with the
# network; a few minutes. Not part of `make test`: `make deb-test` builds them and runs this.
#   DEBIAN_MIRROR  where debootstrap gets Debian from
set -euo pipefail
debs=$(cd "$1" && pwd)
fail() {
    echo "deb.sh: $*" >&2
    exit 1
}
if [ "${2-}" != inside ]; then
    [ "$(id -u)" -eq 0 ] || fail 'needs root'
    # No mail host is known that would be right for everybody who builds packages.
    lintian --allow-root --fail-on error,warning \
        --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog "$debs"/*.changes ||
        fail 'lintian objects'
    exec unshare --mount --pid --fork "$0" "$debs" inside
fi

root=$(mktemp -d)
trap 'umount "$root/proc" 2>/dev/null || true; rm -rf --one-file-system "$root"' EXIT
debootstrap --variant=minbase bookworm "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" \
    >"$root.log" 2>&1 || fail "debootstrap: $(tail -n 1 "$root.log")"
rm -f "$root.log"
mount -t proc proc "$root/proc"
cp "$debs"/*.deb "$root/tmp"
rm -f "$root"/tmp/*dbgsym*
bare() { chroot "$root" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
quietly() { "$@" >"$root/tmp/said" 2>&1 || fail "$*: $(tail -n 20 "$root/tmp/said")"; }

# Runs the engine as its unit does, without systemd; "$@": what to do meanwhile.
serving() {
    local engine
    bare install -d -o stockd -g stockd -m 755 /run/stockd
    bare install -d -o stockd -g stockd -m 700 /var/lib/stockd
    rm -f "$root/run/stockd/ready"
    chroot "$root" setpriv --reuid stockd --regid stockd --init-groups --no-new-privs \
        stockd --config /etc/stockd/stockd.conf --ready-file /run/stockd/ready \
        >"$root/tmp/engine" 2>&1 &
    engine=$!
    until [ -e "$root/run/stockd/ready" ]; do
        kill -0 $engine 2>/dev/null || fail "stockd does not start: $(cat "$root/tmp/engine")"
        sleep 0.1
    done
    "$@"
    kill $engine
    wait $engine || fail "stockd did not stop cleanly: $(cat "$root/tmp/engine")"
}
ctl() { bare stockctl -s unix:/run/stockd/stockd.sock "$@"; }
on_hand() { ctl stock MUG --json | sed -n 's/^  "on_hand": \([0-9]*\),$/\1/p'; }
expect() { [ "$2" = "$3" ] || fail "$1: $2, not $3"; }

first_sale() {
    ctl receive MUG main 10 >/dev/null
    ctl reserve default MUG:2 --id o-1 --confirm >/dev/null
    expect 'on hand before the upgrade' "$(on_hand)" 10
}
after_upgrade() {
    expect 'on hand after the upgrade' "$(on_hand)" 10
    ctl fulfil o-1 >/dev/null
}

echo 'installing'
quietly bare apt-get update
quietly bare apt-get install -y --no-install-recommends $(cd "$root" && ls tmp/*.deb | sed 's|^|/|')
expect 'the folder of the config' "$(bare stat -c '%U:%G %a' /etc/stockd)" 'root:stockd 750'
expect 'its user' "$(bare id -un stockd)" stockd
for page in man8/stockd.8 man1/stockctl.1; do
    [ -e "$root/usr/share/man/$page.gz" ] || bare grep -rq path-exclude /etc/dpkg || fail "no $page.gz"
done
serving first_sale

echo 'upgrading'
echo '# what the administrator wrote' >>"$root/etc/stockd/stockd.conf"
for deb in "$root"/tmp/*.deb; do # the same packages, as if of a later version
    rm -rf "$root/tmp/next"
    quietly dpkg-deb -R "$deb" "$root/tmp/next"
    sed -i 's/^Version: .*/&+1/; s/\(libstockd0 (= [^)]*\))/\1+1)/' "$root/tmp/next/DEBIAN/control"
    quietly dpkg-deb -b "$root/tmp/next" "$deb"
done
quietly bare apt-get install -y --no-install-recommends $(cd "$root" && ls tmp/*.deb | sed 's|^|/|')
grep -q 'what the administrator wrote' "$root/etc/stockd/stockd.conf" || fail 'the config was replaced'
serving after_upgrade

echo 'removing'
quietly bare apt-get remove -y stockd stockd-tools stock-gateway libstockd0 libstockd-dev
[ ! -e "$root/usr/bin/stockd" ] || fail '/usr/bin/stockd is still there'
grep -q 'what the administrator wrote' "$root/etc/stockd/stockd.conf" || fail 'the config is gone'
quietly bare apt-get purge -y stockd
[ ! -e "$root/etc/stockd" ] || fail "purged, but $(ls -A "$root/etc/stockd") is left in /etc/stockd"
[ -n "$(ls -A "$root/var/lib/stockd")" ] || fail 'the stock is gone'
echo 'installed, upgraded, removed and purged'
