#!/usr/bin/env bash
# Installs tenk on Debian or Ubuntu (x86_64), from the tarball that `make dist` made or out of a checkout.
#   launch/install.sh --dist TARBALL [--prefix DIR] [--no-packages]    unpacks; no network but for packages
#   launch/install.sh --build [--prefix DIR]                           builds this checkout first (an hour on
#                                                                      two cores; Rust and libtorch are fetched)
#
#   --prefix DIR      where to (default: /opt/tenk); must not exist
#   --no-packages     install no system packages; Open MPI is then for the reader to provide
#
# The programs are linked into /usr/local/bin where that can be written. Image recipes run this script too.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
PREFIX=/opt/tenk TARBALL='' BUILD=0 PACKAGES=1
RUNTIME_PACKAGES="openmpi-bin openssh-client"
# What builds tenk, beside what scripts/setup.sh installs.
BUILD_PACKAGES="ca-certificates curl git gcc g++ make patchelf python3 python3-pip python3-venv"
LINKS=/usr/local/bin
say() { printf 'install: %s\n' "$*" >&2; }
fail() { printf 'install: error: %s\n' "$*" >&2; exit 1; }

while [ $# -gt 0 ]; do
    case "$1" in
        --dist) [ $# -gt 1 ] || fail "--dist needs a tarball"; TARBALL=$2; shift 2 ;;
        --prefix) [ $# -gt 1 ] || fail "--prefix needs a folder"; PREFIX=$2; shift 2 ;;
        --build) BUILD=1; shift ;;
        --no-packages) PACKAGES=0; shift ;;
        *) sed -n '2,12p' "$0" >&2; exit 2 ;;
    esac
done
[ "$BUILD" = 1 ] || [ -n "$TARBALL" ] || { sed -n '2,12p' "$0" >&2; exit 2; }
[ "$(uname -m)" = x86_64 ] || fail "this is a $(uname -m), and the programs are for x86_64"
[ ! -e "$PREFIX" ] || fail "$PREFIX is there already; remove it or choose another --prefix"

packages() { # NAME ...
    local missing='' name
    for name in "$@"; do
        dpkg-query -W -f='${Status}' "$name" 2> /dev/null | grep -q 'install ok installed' || missing="$missing $name"
    done
    [ -n "$missing" ] || return 0
    [ "$PACKAGES" = 1 ] || { say "not installed, as asked:$missing"; return 0; }
    [ "$(id -u)" = 0 ] || fail "system packages are missing; run once as root: apt-get update && apt-get install -y --no-install-recommends$missing; or give --no-packages"
    say "installing system packages:$missing"
    # shellcheck disable=SC2086 # a list of names
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } >&2 ||
        fail "apt-get could not install:$missing"
}

build() {
    # shellcheck disable=SC2086 # a list of names
    packages $BUILD_PACKAGES
    if ! command -v cargo > /dev/null; then
        say "installing Rust into ${CARGO_HOME:-$HOME/.cargo}"
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --no-modify-path --profile minimal --default-toolchain none >&2
        export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    fi
    # The last line that it prints is the tarball.
    TARBALL=$(make --no-print-directory -C "$ROOT" dist | tail -n 1)
}

# Beside its place, checked, then renamed: an installation is whole or not there.
unpack() {
    local partial
    mkdir -p "$(dirname "$PREFIX")"
    partial=$(mktemp -d "$PREFIX.partial.XXXXXX") || fail "cannot write beside $PREFIX; choose another --prefix"
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$partial'" EXIT
    say "unpacking $TARBALL"
    tar -xzf "$TARBALL" -C "$partial" --strip-components=1 --no-same-owner || fail "$TARBALL cannot be unpacked"
    (cd "$partial" && sha256sum --quiet --check SHA256SUMS) >&2 || fail "$TARBALL is damaged; copy it again"
    chmod 755 "$partial"
    mv "$partial" "$PREFIX"
    trap - EXIT
}

link_programs() {
    local program
    [ -w "$LINKS" ] || { say "$LINKS cannot be written; add $PREFIX/bin/mpi and $PREFIX/bin to PATH"; return 0; }
    for program in bin/tenk-corpus bin/tenk-embed bin/mpi/tenk-pretrain; do
        ln -sfn "$PREFIX/$program" "$LINKS/$(basename "$program")"
    done
}

# Fails where a library is missing, before a job does.
try_programs() {
    local program
    for program in bin/tenk-corpus bin/tenk-embed bin/tenk-pretrain bin/mpi/tenk-pretrain; do
        "$PREFIX/$program" --version || case "$PACKAGES-$program" in
            0-bin/mpi/*) say "$program does not run without Open MPI (libmpi.so.40); bin/tenk-pretrain trains on one device" ;;
            *) fail "$PREFIX/$program does not run" ;;
        esac
    done
}

[ "$BUILD" = 0 ] || build
[ -r "$TARBALL" ] || fail "cannot read $TARBALL"
# shellcheck disable=SC2086 # a list of names
packages $RUNTIME_PACKAGES
unpack
link_programs
try_programs
say "tenk is in $PREFIX"
