#!/usr/bin/env bash
# Asks the RustSec database about every package of the lock files, and holds them to deny.toml.
# The database is fetched anew; where it cannot be reached, nothing is reported as checked.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v cargo-deny > /dev/null; then
    echo "audit: cargo-deny is missing: cargo install cargo-deny --locked" >&2
    exit 1
fi
for manifest in Cargo.toml fuzz/Cargo.toml; do
    echo "== $manifest" >&2
    cargo deny --locked --manifest-path "$manifest" check --config "$PWD/deny.toml"
done
