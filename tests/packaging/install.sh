#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh BUILD_DIR: what `make install` leaves can be used by somebody else's program, through
# pkg-config, with either library; and the shared one shows no name but ours.
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
compile $(pkg-config --cflags stockd) "$lib/libstockd.a" $(pkg-config --libs msgpack)
"$root/user"

strangers=$(nm -D --defined-only "$lib/libstockd.so" | awk '$3 !~ /^stockd_/')
[ -z "$strangers" ] || { echo "libstockd.so shows: $strangers" >&2; exit 1; }
for program in stockd stockctl stockbench stock-journal; do
    [ -x "$root/bin/$program" ] || { echo "not installed: bin/$program" >&2; exit 1; }
done
