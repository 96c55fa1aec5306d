#!/usr/bin/env bash
# How many small faults in the data path the tests catch: cargo-mutants over masking, loader and
# shards, in parts that are kept, so that a run that was stopped goes on with the parts that lack.
#   scripts/mutants.sh [PARTS]        all parts that have no result yet, of PARTS (default 8)
#   scripts/mutants.sh report         the share that was caught
# Results are under target/mutants; remove the folder to begin again.
set -eu -o pipefail
cd "$(dirname "$0")/.."
OUT=target/mutants
PACKAGES=(-p masking -p loader -p shards)

report() {
    local caught missed
    caught=$(cat "$OUT"/part-*/mutants.out/{caught,timeout}.txt 2>/dev/null | wc -l)
    missed=$(cat "$OUT"/part-*/mutants.out/missed.txt 2>/dev/null | wc -l)
    cat "$OUT"/part-*/mutants.out/missed.txt 2>/dev/null | sort || true
    [ $((caught + missed)) -gt 0 ] || { echo "no results under $OUT" >&2; exit 1; }
    echo "$(find "$OUT" -path '*/part-*/done' | wc -l) parts: $caught of $((caught + missed)) viable mutants caught ($((100 * caught / (caught + missed))) %)"
}

if [ "${1:-}" = report ]; then report; exit; fi
command -v cargo-mutants > /dev/null || {
    echo "cargo-mutants is missing: cargo install cargo-mutants --locked" >&2
    exit 1
}
PARTS=${1:-8}
mkdir -p "$OUT"
for ((part = 0; part < PARTS; part++)); do
    folder=$OUT/part-$part-of-$PARTS
    [ -e "$folder/done" ] && continue
    rm -rf "$folder"
    # exit code 2 and 3: mutants were missed or ran out of time, which is a result
    code=0
    cargo mutants --cargo-arg=--locked "${PACKAGES[@]}" --shard "$part/$PARTS" --output "$folder" \
        --profile mutants --timeout 30 --no-times -- --lib || code=$?
    case $code in 0 | 2 | 3) touch "$folder/done" ;; *) exit "$code" ;; esac
done
report
