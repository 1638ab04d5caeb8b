#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# backup.sh DIR COPY: copies the data directory DIR, also beside a running engine, to the new
# directory COPY. The copy holds at least what was acknowledged before it began (with --durability
# none: what the kernel had been given) and is the state at one LSN. Exit 0: an engine starts on it.
#   STOCK_JOURNAL   the program that checks the copy (stock-journal)
#   TRIES           so often is it begun anew if the engine outran it (5)
#
# Why this order: a compaction removes no segment while somebody holds snapshot/readers. The mark of
# a clean stop and the snapshots go first: made later, they may need what was not copied. Segments go
# from the last to the first: what is in a copied segment then has all before it in the others. In the
# last one the engine may overtake the copy, which then has a gap; stock-journal finds that, and the
# copy is begun anew.
set -eu
[ $# -eq 2 ] || { echo "usage: backup.sh DIR COPY" >&2; exit 2; }
from=$1 to=$2
[ -d "$from/journal" ] || { echo "backup.sh: $from is no data directory" >&2; exit 2; }
[ ! -e "$to" ] || { echo "backup.sh: $to is there already" >&2; exit 2; }

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
echo "backup.sh: the copy cannot be started from, after $try tries; it is in $unfinished:" >&2
echo "$said" >&2
exit 1
