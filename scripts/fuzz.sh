#!/usr/bin/env bash
# Runs every fuzz target for a while on a stable compiler: scripts/fuzz.sh [SECONDS [TARGET ...]].
# What a run learned stays in target/fuzz/corpus/TARGET, and the next run goes on from there. An
# input that breaks a target is kept in target/fuzz/failures/TARGET, and the script fails.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-6}"
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(html plain_text submission wikitext dump manifest)

triple="$(rustc -vV | sed -n 's/^host: //p')"
export CARGO_TARGET_DIR="$PWD/target/fuzz"
# The coverage counters that libFuzzer reads; build scripts are left alone because of --target.
export RUSTFLAGS="--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
for target in "${targets[@]}"; do build+=(--bin "$target"); done
cargo build --quiet --locked --manifest-path fuzz/Cargo.toml --target "$triple" "${build[@]}"

for target in "${targets[@]}"; do
    learned="$CARGO_TARGET_DIR/corpus/$target"
    failures="$CARGO_TARGET_DIR/failures/$target"
    mkdir -p "$learned" "$failures"
    dictionary=fuzz/dictionaries/filing.dict
    case "$target" in
        wikitext | dump) dictionary=fuzz/dictionaries/wiki.dict ;;
        manifest) dictionary=fuzz/dictionaries/manifest.dict ;;
    esac
    log="$CARGO_TARGET_DIR/$target.log"
    if ! "$CARGO_TARGET_DIR/$triple/debug/$target" "$learned" -dict="$dictionary" -max_total_time="$seconds" \
        -max_len=4096 -timeout=10 -rss_limit_mb=1024 -artifact_prefix="$failures/" -print_final_stats=1 >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        echo "fuzz: $target failed; the input is in $failures" >&2
        exit 1
    fi
    runs="$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
    echo "fuzz: $target: $runs executions, $(find "$learned" -type f | wc -l) inputs kept"
done
