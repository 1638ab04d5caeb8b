#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make-deb.sh: builds the Debian packages into build/deb/, from a copy of what git knows.
#   VERSION  of the packages (the project's, with ~dev and the commit's date unless it is tagged)
set -eu
cd "$(dirname "$0")/.."
base=$(sed -n 's/^project(stockd VERSION \([0-9.]*\) .*/\1/p' CMakeLists.txt)
date=$(git log -1 --format=%cd --date=format:%Y%m%d%H%M%S)
git describe --exact-match --tags >/dev/null 2>&1 || base=$base~dev$date
version=${VERSION:-$base}
out=build/deb
tree=$out/stockd-$version

rm -rf "$out"
mkdir -p "$tree"
git ls-files -z | xargs -0 cp --parents -t "$tree"
cp -r packaging/debian "$tree/debian"
needed=$(sed -n '/^packages="/,/"$/p' scripts/install-dependencies.sh | tr -d '"' | xargs |
    sed 's/^packages=//; s/ /, /g')
sed -i "s/@BUILD_DEPENDS@/$needed/" "$tree/debian/control"
cat >"$tree/debian/changelog" <<EOT
stockd ($version) unstable; urgency=medium

  * See CHANGELOG.md.

 -- stockd maintainers <stockd@localhost>  $(git log -1 --format=%cD)
EOT
(cd "$tree" && dpkg-buildpackage --build=binary --no-sign --jobs=auto >../build.log 2>&1) || {
    tail -n 30 "$out/build.log" >&2
    echo "make-deb.sh: the packages could not be built; all of the log is in $out/build.log" >&2
    exit 1
}
rm -rf "$tree"
ls "$out"/*.deb
