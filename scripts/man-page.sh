#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# man-page.sh PROGRAM SOURCE SCDOC OUT: writes a manual page, with what the program says of itself.
#
# In SOURCE, which is for scdoc, a line @OPTIONS@ becomes the options of `PROGRAM --help`, @TEXT@ all of
# it, and @COMMANDS@ the help of each of its commands. So a page never differs from the program.
set -eu
program=$1
source=$2
scdoc=$3
out=$4
mkdir -p "${out%/*}"

# Help that lists options as "  --name VALUE  what it does" becomes a list of definitions.
options() {
    "$program" --help | awk '
        function escaped(text) { gsub(/[\\_*`]/, "\\\\&", text); return text }
        /^ +-/ {
            sub(/^ +/, "")
            term = ""
            while (match($0, /^(-[^ ]*|[A-Z][A-Z0-9:,.|]*|[a-z|]+\|[a-z]+) ?/) && NF) {
                word = substr($0, 1, RLENGTH)
                $0 = substr($0, RLENGTH + 1)
                sub(/ $/, "", word)
                term = term (term == "" ? "" : " ") (word ~ /^-/ ? "*" escaped(word) "*" : escaped(word))
                if ($0 ~ /^ /) break
            }
            sub(/^ +/, "")
            printf "\n%s\n\t%s\n", term, $0 == "" ? "Print it." : escaped($0)
            inside = 1
            next
        }
        inside && /^        / { sub(/^ +/, ""); printf "\t%s\n", escaped($0); next }
        { inside = 0 }'
}

# A command is a line "  name  What it does": two spaces, words, at least two spaces.
commands() {
    "$program" --help | sed -n 's/^  \([a-z][a-z ]*[a-z]\)  .*/\1/p; s/^  \([a-z]*\) [A-Z ]*DIR .*/\1/p' |
        while read -r command; do
            # shellcheck disable=SC2086 # a command may have two words
            text=$("$program" $command --help 2>/dev/null) || continue
            printf '\n## %s\n\n```\n%s\n```\n' "$command" "$text"
        done
}

while IFS= read -r line; do
    case $line in
    @OPTIONS@) options ;;
    @TEXT@) printf '```\n%s\n```\n' "$("$program" --help)" ;;
    @COMMANDS@) commands ;;
    *) printf '%s\n' "$line" ;;
    esac
done <"$source" >"$out.scd"
"$scdoc" <"$out.scd" >"$out"
rm "$out.scd"
