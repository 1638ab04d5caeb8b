#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install-dependencies.sh [build|run|test|bench|deb]: installs the Debian 12 packages that are missing.
set -eu

packages="gcc libc6-dev cmake ninja-build pkg-config liburing-dev libmsgpack-dev libxxhash-dev
    libzstd-dev libinih-dev libcsv-dev libjansson-dev libhiredis-dev libglib2.0-dev libssl-dev
    tzdata libmicrohttpd-dev libnghttp2-dev libseccomp-dev libedit-dev systemtap-sdt-dev scdoc"
case "${1:-build}" in
build) ;;
run) packages="$packages redis-server" ;;
test)
    packages="$packages libcriterion-dev clang clang-format clang-tidy libclang-rt-14-dev llvm-14
        gdb nodejs python3 python3-msgpack python3-redis redis-server spin strace valgrind
        e2fsprogs xfsprogs nbdkit libnbd-bin libfaketime openssl prometheus python3-jsonschema
        systemd chromium fonts-dejavu-core etcd-server etcd-client"
    command -v npm >/dev/null || packages="$packages npm" # some builds of nodejs bring it along
    ;;
bench)
    packages="$packages python3 python3-msgpack redis-server postgresql libpq-dev gnuplot-nox wrk"
    ;;
deb) packages="$packages debhelper dpkg-dev fakeroot lintian debootstrap" ;;
*)
    echo "usage: install-dependencies.sh [build|run|test|bench|deb]" >&2
    exit 2
    ;;
esac

# From npm, into build/npm: the linter of the OpenAPI document; what drives a browser, and judges
# the accessibility of a page. Without them two tests are skipped.
npm_packages="@redocly/cli@1.34.5 playwright-core@1.49.1 axe-core@4.10.2"
install_from_npm() {
    folder=$(dirname "$0")/../build/npm
    lacking=
    for package in $npm_packages; do
        [ -d "$folder/node_modules/${package%@*}" ] || lacking="$lacking $package"
    done
    [ -n "$lacking" ] || return 0
    mkdir -p "$folder"
    echo "Installing from npm:$lacking"
    npm install --prefix "$folder" --no-audit --no-fund --loglevel error $lacking ||
        echo "npm cannot install$lacking; the tests that need them will be skipped." >&2
}
trap 'status=$?; [ "$status" -ne 0 ] || [ "${1:-build}" != test ] || install_from_npm' EXIT

if ! command -v dpkg-query >/dev/null; then
    echo "There is no dpkg here, so nothing is installed. Debian calls the packages that are needed:"
    echo "   " $packages
    exit 0
fi

missing=
for package in $packages; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" -ne 0 ]; then
    sudo=sudo
    if ! command -v sudo >/dev/null; then
        echo "Packages are missing, and installing them needs root or sudo. As root, run:" >&2
        echo "    apt-get update && apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
fi
echo "Installing:$missing"
apt="$sudo apt-get -o DPkg::Lock::Timeout=300"
$apt -qq update
$sudo env DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends $missing
