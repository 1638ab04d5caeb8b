#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# backup.sh DIR COPY: copies the data directory DIR to the new directory COPY, even while an engine
# runs on it. The copy is the state at one LSN, with at least what was acknowledged before the start
# (with --durability none: what had been written to the kernel). Exit 0: an engine starts on it.
#   STOCK_JOURNAL   the program that checks the copy (stock-journal)
#   TRIES           how often to copy if the engine overtakes the copy (5)
#
# Why in this order: a compaction removes no segment while another process holds snapshot/readers.
# The clean-stop marker and the snapshots come first: later ones may need segments that were not
# copied. Segments are copied from the last to the first, so that everything before a copied one is
# still in the others. In the last one the engine may overtake the copy, which leaves a gap;
# stock-journal finds it, and the script starts over.
set -eu
[ $# -eq 2 ] || { echo "usage: backup.sh DIR COPY" >&2; exit 2; }
from=$1 to=$2
[ -d "$from/journal" ] || { echo "backup.sh: $from is not a data directory: it has no journal/" >&2; exit 2; }
[ ! -e "$to" ] || { echo "backup.sh: $to exists; give a new directory" >&2; exit 2; }

copy() {
    mkdir -p "$1/journal" "$1/snapshot"
    cp "$from/journal/stopped" "$1/journal/" 2>/dev/null || [ ! -e "$from/journal/stopped" ]
    for file in "$from"/snapshot/*.snap; do
        [ ! -e "$file" ] || cp "$file" "$1/snapshot/"
    done
    for file in $(cd "$from/journal" && ls -r ./*.seg); do
        cp "$from/journal/$file" "$1/journal/"
    done
}

mkdir -p "$from/snapshot"
exec 9>>"$from/snapshot/readers"
flock --shared 9
unfinished=$to.unfinished
for try in $(seq "${TRIES:-5}"); do
    rm -rf "$unfinished"
    copy "$unfinished"
    if said=$("${STOCK_JOURNAL:-stock-journal}" verify "$unfinished" 2>&1); then
        sync -f "$unfinished"
        mv "$unfinished" "$to"
        exit 0
    fi
done
echo "backup.sh: after $try tries the copy in $unfinished is still not usable:" >&2
echo "$said" >&2
exit 1
