#!/usr/bin/env bash
# Sets up what tenk builds and tests with: system packages, libtorch 2.11.0 and, on
# request, the Python environment of the peers that tests and benchmarks compare with.
# Everything that is downloaded goes into one cache outside the checkout, announced,
# hash-checked and put in place whole or not at all; a second run finds it and is done.
#
#   scripts/setup.sh build     system packages + libtorch + .cargo/config.toml
#   scripts/setup.sh peers     the peers' virtual environment (benches/peers/requirements.lock), and
#                              iproute2, shellcheck and Chromium for tests, where root may install them
#   scripts/setup.sh licenses  the license texts of libtorch, for `make dist`
#   scripts/setup.sh paths     prints the cache's paths, one NAME=VALUE a line
#
#   TENK_CACHE                 cache folder (default: $XDG_CACHE_HOME/tenk or ~/.cache/tenk)
#   TENK_OFFLINE=1             download nothing; say what is missing and stop
#   LIBTORCH=DIR               use this libtorch 2.11 instead
#   LIBTORCH_USE_PYTORCH=1     use the libtorch of the installed Python package torch
set -euo pipefail

TORCH_VERSION=2.11.0
CACHE=${TENK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tenk}
LIBTORCH_CACHED=$CACHE/libtorch-$TORCH_VERSION-cpu
LICENSES_CACHED=$CACHE/libtorch-$TORCH_VERSION-licences
ROOT=$(cd "$(dirname "$0")/.." && pwd)
PEERS_LOCK=$ROOT/benches/peers/requirements.lock

# Package, version, SHA-256 of the wheel; the sizes in the announcement are theirs.
WHEELS="
torch 2.11.0 7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a
nvidia-cuda-runtime 13.0.96 7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548
nvidia-cuda-cupti 13.0.85 4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8
"
SYSTEM_PACKAGES="libopenmpi-dev openmpi-bin libclang-dev g++ pkg-config binutils"
# Only Debian's own Python lacks them when it is installed.
PYTHON_PACKAGES="python3-pip python3-venv"
APT_INSTALL="apt-get update && apt-get install -y --no-install-recommends"

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { printf 'setup: error: %s\n' "$*" >&2; exit 1; }

peers_path() { printf '%s/peers-%s' "$CACHE" "$(sha256sum "$PEERS_LOCK" | cut -c1-16)"; }

system_packages() {
    command -v dpkg-query >/dev/null || { check_tools; return; }
    local missing=""
    local packages=$SYSTEM_PACKAGES
    python3 -c 'import ensurepip, pip, venv' 2>/dev/null || packages="$packages $PYTHON_PACKAGES"
    for package in $packages; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    local install="$APT_INSTALL$missing"
    [ "${TENK_OFFLINE:-0}" != 1 ] || fail "these system packages are missing and TENK_OFFLINE=1:$missing"
    [ "$(id -u)" = 0 ] || fail "system packages are missing; run once as root:  sudo sh -c '$install'"
    say "installing system packages:$missing"
    DEBIAN_FRONTEND=noninteractive sh -c "$install" >&2 || fail "apt-get could not install:$missing"
}

# Of use to a few tests alone, which are skipped without them (an error with TENK_DATA_REQUIRED=1).
test_packages() {
    local tool package
    for tool in ip shellcheck chromium; do
        command -v "$tool" >/dev/null && continue
        package=$tool
        [ "$tool" != ip ] || package=iproute2
        if [ "${TENK_OFFLINE:-0}" != 1 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            say "installing a system package for tests: $package"
            DEBIAN_FRONTEND=noninteractive sh -c "$APT_INSTALL $package" >&2 && continue
        fi
        say "$package is not installed, so the tests that need it will be skipped"
    done
}

# On systems without dpkg the tools themselves are looked for.
check_tools() {
    for tool in mpicc mpirun g++ readelf; do
        command -v "$tool" >/dev/null || fail "$tool is not installed; install OpenMPI (development files), libclang, a C++ compiler and binutils"
    done
}

check_python() {
    command -v python3 >/dev/null || fail "python3 is not installed (it unpacks libtorch); install Python 3 with pip"
    python3 -m pip --version >/dev/null 2>&1 || fail "python3 has no pip; install it (Debian: apt-get install python3-pip python3-venv)"
}

libtorch() {
    if [ "${LIBTORCH_USE_PYTORCH:-0}" = 1 ]; then
        python3 -c "import torch,sys; sys.exit(torch.__version__.split('+')[0] != '$TORCH_VERSION')" 2>/dev/null ||
            fail "LIBTORCH_USE_PYTORCH=1, but python3 cannot import torch $TORCH_VERSION"
        return
    fi
    if [ -n "${LIBTORCH:-}" ] && [ "$LIBTORCH" != "$LIBTORCH_CACHED" ]; then
        local version
        version=$(sed 's/+.*//' "$LIBTORCH/build-version" 2>/dev/null || true)
        [ -z "$version" ] || [ "$version" = "$TORCH_VERSION" ] ||
            fail "LIBTORCH=$LIBTORCH is libtorch $version, and tenk needs $TORCH_VERSION"
        [ -e "$LIBTORCH/lib/libtorch_cpu.so" ] || fail "LIBTORCH=$LIBTORCH has no lib/libtorch_cpu.so; unset it to let set-up fetch libtorch $TORCH_VERSION"
        return
    fi
    mkdir -p "$CACHE" || fail "cannot create the cache $CACHE; set TENK_CACHE to a folder that can be written"
    exec 9>"$CACHE/.setup.lock"
    flock 9
    [ -e "$LIBTORCH_CACHED/COMPLETE" ] || download_libtorch
    flock -u 9
}

download_libtorch() {
    [ "${TENK_OFFLINE:-0}" != 1 ] || fail "libtorch is not in $CACHE and TENK_OFFLINE=1; run scripts/setup.sh build once with a network, or copy $LIBTORCH_CACHED from another machine"
    say "downloading libtorch $TORCH_VERSION for CPUs (544 MB of Python wheels) into $CACHE"
    rm -rf "$CACHE"/libtorch.partial.* "$LIBTORCH_CACHED"
    local partial
    partial=$(mktemp -d "$CACHE/libtorch.partial.XXXXXX")
    download_wheels "$partial"
    [ -e "$LICENSES_CACHED" ] || keep_licenses "$partial"
    say "unpacking libtorch"
    unpack_libtorch "$partial" || fail "libtorch could not be unpacked in $partial (is the disk full?)"
    : > "$partial/torch/COMPLETE"
    sync -f "$partial/torch/COMPLETE"
    mv "$partial/torch" "$LIBTORCH_CACHED"
    rm -rf "$partial"
    say "libtorch is ready in $LIBTORCH_CACHED"
}

download_wheels() { # folder, whose wheels/ gets them
    check_python
    printf '%s' "$WHEELS" | while read -r name version hash; do
        [ -z "$name" ] || printf '%s==%s --hash=sha256:%s\n' "$name" "$version" "$hash"
    done > "$1/requirements.txt"
    python3 -m pip download --quiet --no-cache-dir --no-deps --require-hashes --only-binary=:all: \
        --python-version 3.11 --implementation cp --abi cp311 --abi none --platform manylinux_2_28_x86_64 \
        --platform manylinux_2_25_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
        -d "$1/wheels" -r "$1/requirements.txt" >&2 ||
        fail "the download of libtorch failed (network, or a hash that does not fit); run again to retry"
}

# Caches that were made before the texts were kept download the wheels once more.
licenses() {
    [ -e "$LICENSES_CACHED" ] && return 0
    [ "${TENK_OFFLINE:-0}" != 1 ] || fail "the license texts of libtorch are not in $LICENSES_CACHED and TENK_OFFLINE=1; run scripts/setup.sh licenses once with a network"
    mkdir -p "$CACHE" || fail "cannot create the cache $CACHE; set TENK_CACHE to a folder that can be written"
    local partial
    partial=$(mktemp -d "$CACHE/licenses.partial.XXXXXX")
    say "downloading the wheels of libtorch $TORCH_VERSION (544 MB) for their license texts"
    download_wheels "$partial"
    keep_licenses "$partial"
    rm -rf "$partial"
}

keep_licenses() { # folder with wheels/
    python3 - "$1" <<'PYTHON'
import pathlib, sys, zipfile
partial = pathlib.Path(sys.argv[1])
for wheel in sorted((partial / "wheels").glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        texts = [name for name in archive.namelist() if ".dist-info/" in name
                 and name.rsplit("/", 1)[-1].lower().startswith(("licen", "notice", "copying"))]
        if not texts:
            sys.exit(f"{wheel.name} has no license text")
        for name in texts:
            target = partial / "licences" / wheel.name.split("-")[0] / name.rsplit("/", 1)[-1]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(name))
PYTHON
    mv "$1/licences" "$LICENSES_CACHED"
}

# The wheel's own libtorch.so also needs libtorch_cuda.so, so it is replaced by an empty
# library that needs the CPU libraries alone; libtorch_cpu.so needs two CUDA libraries.
unpack_libtorch() {
    python3 - "$1" <<'PYTHON'
import pathlib, sys, zipfile
partial = pathlib.Path(sys.argv[1])
keep_lib = {"libc10.so", "libtorch_cpu.so", "libshm.so", "libtorch_global_deps.so", "libgomp.so.1"}
for wheel in sorted((partial / "wheels").glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            base = name.rsplit("/", 1)[-1]
            if name.startswith(("torch/include/", "torch/share/")) and base:
                archive.extract(name, partial)
            elif (name.startswith("torch/lib/") and name.count("/") == 2 and base in keep_lib) or base in {"libcudart.so.13", "libcupti.so.13"}:
                target = partial / "torch/lib" / base
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
PYTHON
    local lib=$1/torch/lib
    rm -rf "$1/wheels"
    # shellcheck disable=SC2016 # $ORIGIN is for the loader
    printf '' | gcc -shared -x c - -o "$lib/libtorch.so" -L"$lib" \
        -Wl,--no-as-needed -ltorch_cpu -lc10 -Wl,-rpath,'$ORIGIN' -Wl,--enable-new-dtags
}

# Lets a bare `cargo build` find the same libtorch; an environment variable still wins.
cargo_config() {
    [ "${LIBTORCH_USE_PYTORCH:-0}" != 1 ] || { rm -f "$ROOT/.cargo/config.toml"; return 0; }
    mkdir -p "$ROOT/.cargo"
    local content
    content=$(printf '# Written by scripts/setup.sh; not part of the project.\n[env]\nLIBTORCH = "%s"' "${LIBTORCH:-$LIBTORCH_CACHED}")
    [ "$(cat "$ROOT/.cargo/config.toml" 2>/dev/null)" = "$content" ] || printf '%s\n' "$content" > "$ROOT/.cargo/config.toml"
}

# A virtual environment cannot be moved, so it is made in place and trusted only once its
# marker, written last, is there.
peers() {
    local peers
    peers=$(peers_path)
    mkdir -p "$CACHE" || fail "cannot create the cache $CACHE; set TENK_CACHE to a folder that can be written"
    exec 8>"$CACHE/.peers.lock"
    flock 8
    if [ ! -e "$peers/COMPLETE" ]; then
        [ "${TENK_OFFLINE:-0}" != 1 ] || fail "the peers' environment is not in $peers and TENK_OFFLINE=1; run scripts/setup.sh peers once with a network"
        check_python
        say "installing the peers (PyTorch, transformers; about 6 GB) into $peers"
        rm -rf "$peers"
        python3 -m venv "$peers" || fail "python3 -m venv failed (Debian: apt-get install python3-venv)"
        "$peers/bin/python" -m pip install --quiet --no-cache-dir --no-deps --require-hashes --only-binary=:all: -r "$PEERS_LOCK" >&2 ||
            fail "the peers could not be installed (network, or a file whose hash is not in $PEERS_LOCK); run again to retry"
        : > "$peers/COMPLETE"
    fi
    flock -u 8
}

case "${1:-}" in
    build) system_packages; libtorch; cargo_config ;;
    peers) peers; test_packages ;;
    licenses) licenses ;;
    paths)
        printf 'LIBTORCH=%s\nPEERS=%s\nLICENSES=%s\n' "${LIBTORCH:-$LIBTORCH_CACHED}" "$(peers_path)" "$LICENSES_CACHED" ;;
    *) sed -n '2,16p' "$0" >&2; exit 2 ;;
esac
