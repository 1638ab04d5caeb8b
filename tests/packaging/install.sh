#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh BUILD_DIR: what `make install` leaves can be used by somebody else's program, through
# pkg-config, with either library; and the shared one shows no name but ours. Installed to /usr/local
# it is found without another step (as root, in a mount namespace with folders of its own).
set -eu
build=$1
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

cmake --install "$build" --prefix "$root" >/dev/null
pc=$(find "$root" -name stockd.pc)
export PKG_CONFIG_PATH="${pc%/*}"
lib=$(pkg-config --variable=libdir stockd)

cat >"$root/user.c" <<'EOF'
#include <stdio.h>
#include <stockd/client.h>

int main(void)
{
    return puts(stockd_status_text(STOCKD_OK)) == EOF;
}
EOF
compile() { gcc -std=c17 -Wall -Wextra -Wpedantic -Werror "$root/user.c" "$@" -o "$root/user"; }

compile $(pkg-config --cflags --libs stockd)
LD_LIBRARY_PATH=$lib "$root/user"
compile $(pkg-config --cflags stockd) "$lib/libstockd.a" $(pkg-config --libs msgpack openssl)
"$root/user"

strangers=$(nm -D --defined-only "$lib/libstockd.so" | awk '$3 !~ /^stockd_/')
[ -z "$strangers" ] || { echo "libstockd.so shows: $strangers" >&2; exit 1; }
for program in stockd stockctl stockbench stock-journal stock-gateway; do
    [ -x "$root/bin/$program" ] || { echo "not installed: bin/$program" >&2; exit 1; }
done

# Each program has a manual page, which knows each of its options.
for page in stockd.8 stockctl.1 stockbench.1 stock-journal.8 stock-gateway.8; do
    command -v scdoc >/dev/null || { echo "not tested: manual pages (Debian: scdoc)"; break; }
    program=${page%.*}
    text=$(sed 's/\\f[BIR]//g; s/\\-/-/g; s/\\&//g' "$root/share/man/man${page##*.}/$page")
    ! printf '%s\n' "$text" | grep '^@[A-Z]*@$' || { echo "$page was not filled in" >&2; exit 1; }
    "$root/bin/$program" --help | grep -oE -- '^ +(-[a-zA-Z], )?--[a-z-]+' | sed 's/.*--/--/' |
        while read -r option; do
            case $text in
            *"$option"*) ;;
            *) echo "$page does not have $option" >&2 && exit 1 ;;
            esac
        done
done

if [ "$(id -u)" -ne 0 ] || ! unshare --mount true 2>/dev/null; then
    echo "not tested: an installation to /usr/local (needs root and a mount namespace)"
    exit 0
fi
mkdir "$root/etc" "$root/local" "$root/cache"
cp -a /etc/. "$root/etc"
cat >"$root/install-system.sh" <<'EOF'
set -eu
build=$1 root=$2
mount --bind "$root/etc" /etc
mount --bind "$root/local" /usr/local
mount --bind "$root/cache" /var/cache/ldconfig
cmake --install "$build" --prefix /usr/local >/dev/null
unset PKG_CONFIG_PATH
gcc -std=c17 "$root/user.c" $(pkg-config --cflags --libs stockd) -o "$root/user"
"$root/user"
EOF
unshare --mount sh "$root/install-system.sh" "$build" "$root" || {
    echo "a program does not run with the library that was installed to /usr/local" >&2
    exit 1
}

# Only staged, it changes nothing of the system: ldconfig would write a new cache.
before=$(stat -c '%i %y' /etc/ld.so.cache)
DESTDIR="$root/staged" cmake --install "$build" --prefix /usr/local >/dev/null
[ "$before" = "$(stat -c '%i %y' /etc/ld.so.cache)" ] || {
    echo "an installation to DESTDIR touched the system's cache of libraries" >&2
    exit 1
}
