#!/usr/bin/env bash
# Packs what a cluster needs into one tarball that runs from any folder, without root or network: the
# programs with MPI and without, libtorch for CPUs, configurations, launchers, documents, licenses.
#   scripts/dist.sh [--profile PROFILE] [--out DIR]      (default: release, target/dist)
# The same programs and commit give the same bytes. Prints the path of the tarball.
set -euo pipefail
cd "$(dirname "$0")/.."
PROFILE=release OUT=target/dist
while [ $# -gt 0 ]; do
    [ $# -gt 1 ] || { echo "dist: $1 needs a value" >&2; exit 2; }
    case "$1" in
        --profile) PROFILE=$2 ;;
        --out) OUT=$2 ;;
        *) sed -n '2,5p' "$0" >&2; exit 2 ;;
    esac
    shift 2
done
fail() { printf 'dist: error: %s\n' "$*" >&2; exit 1; }
path_of() { scripts/setup.sh paths | sed -n "s/^$1=//p"; }

version=$(sed -n '/^\[workspace.package\]/,/^\[/ s/^version = "\(.*\)"/\1/p' Cargo.toml)
name=tenk-$version-x86_64-linux
tarball=$OUT/$name.tar.gz
libtorch=$(path_of LIBTORCH)
built=target/$([ "$PROFILE" = dev ] && echo debug || echo "$PROFILE")
# When the sources were, whichever clock packs them.
date=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
[ -e "$libtorch/COMPLETE" ] || fail "LIBTORCH=$libtorch is not the one that scripts/setup.sh made; unset it to pack that one"
[ "$(uname -m)" = x86_64 ] || fail "this is a $(uname -m), and the libtorch of set-up is for x86_64"
for tool in patchelf strip; do
    command -v "$tool" > /dev/null || fail "$tool is not installed (Debian: apt-get install patchelf binutils)"
done
scripts/setup.sh licenses

mkdir -p "$OUT"
partial=$(mktemp -d "$OUT/partial.XXXXXX")
trap 'rm -rf "$partial"' EXIT
stage=$partial/$name
mkdir -p "$stage"/{bin/mpi,lib,docs,licences}

program() { # built file, place in the tarball, libraries as seen from there
    strip --strip-debug -o "$stage/$2" "$1"
    patchelf --set-rpath "\$ORIGIN/$3" "$stage/$2"
    chmod 755 "$stage/$2"
}
# Without MPI first: what is left in the build folder is then the usual one.
cargo build --locked --profile "$PROFILE" --bins -p trainer --no-default-features
program "$built/tenk-pretrain" bin/tenk-pretrain ../lib
cargo build --locked --profile "$PROFILE" --bins -p corpus-tools -p embed-cli -p trainer
program "$built/tenk-pretrain" bin/mpi/tenk-pretrain ../../lib
program "$built/tenk-embed" bin/tenk-embed ../lib
program "$built/tenk-corpus" bin/tenk-corpus ../lib

cp "$libtorch"/lib/*.so* "$stage/lib/"
cp -r configs launch members LICENSE "$stage/"
rm -rf "$stage/launch/licenses" "$stage/launch/tarball"
cp docs/{clusters,corpus,training,distributed}.md "$stage/docs/"
cp launch/tarball/README.md "$stage/README.md"
printf '%s %s\n' "$version" "$(git rev-parse HEAD)" > "$stage/VERSION"

cargo run --locked --quiet -p xtask -- licenses "$stage/licences/crates" >&2
cp -r "$(path_of LICENSES)" "$stage/licences/libtorch"
# libtorch brings GCC's libgomp, and the programs the standard library of Rust.
cp /usr/share/doc/libgomp1/copyright "$stage/licences/libgomp" 2> /dev/null || fail "the license of libgomp is not at /usr/share/doc/libgomp1/copyright (Debian: apt-get install libgomp1)"
rust=$(rustc --print sysroot)/share/doc/rust/COPYRIGHT-library.html
cp "$rust" "$stage/licences/rust-library.html" 2> /dev/null || fail "the licenses of Rust's standard library are not at $rust; use a toolchain of rustup"

find "$stage" -type d -exec chmod 755 {} +
# Whatever the umask of who packs.
find "$stage" -type f -perm -u=x -exec chmod 755 {} +
find "$stage" -type f ! -perm -u=x -exec chmod 644 {} +
(cd "$stage" && find . -type f ! -name SHA256SUMS -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) > "$partial/SHA256SUMS"
mv "$partial/SHA256SUMS" "$stage/"
chmod 644 "$stage/SHA256SUMS"

# Order, times and owners are fixed, so that they do not depend on who packs and when.
LC_ALL=C tar --sort=name --mtime="@$date" --owner=0 --group=0 --numeric-owner --format=gnu \
    -C "$partial" -cf - "$name" | gzip -n -6 > "$partial/tarball"
mv "$partial/tarball" "$tarball"
echo "dist: $(($(stat -c %s "$tarball") >> 20)) MiB, SHA-256 $(sha256sum < "$tarball" | cut -c1-64)" >&2
echo "$tarball"
