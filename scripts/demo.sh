#!/usr/bin/env bash
# The whole path once: filings and a Wikipedia dump -> documents -> tokenizer -> shards ->
# two MPI ranks train -> Hugging Face folder -> masked words filled, a query answered.
# Everything is written under runs/demo/; what an earlier demo wrote there is cleared.
#   scripts/demo.sh [--bin DIR] [--filings DIR] [--wiki FILE] [--out DIR] [--set key=value ...]
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=$ROOT/target/release OUT=$ROOT/runs/demo FILINGS='' WIKI='' OVERRIDES=()
while [ $# -gt 0 ]; do
    [ $# -gt 1 ] || { echo "demo: $1 needs a value" >&2; exit 2; }
    case "$1" in
        --bin) BIN=$2 ;; --filings) FILINGS=$2 ;; --wiki) WIKI=$2 ;; --out) OUT=$2 ;;
        --set) OVERRIDES+=(--set "$2") ;;
        *) echo "demo: unknown argument $1" >&2; exit 2 ;;
    esac
    shift 2
done
BIN=$(realpath "$BIN")
CONFIG=$ROOT/configs/demo.toml
heading() { printf '\n== %s\n' "$*"; }
train() { # run folder, further options
    "$ROOT/scripts/mpirun.sh" 2 "$BIN/tenk-pretrain" train --config "$CONFIG" \
        --set "run.dir=\"$1\"" --set "data.corpus=\"$OUT/corpus\"" "${OVERRIDES[@]}" "${@:2}"
}

for input in "$FILINGS" "$WIKI"; do # before anything of an earlier demo is cleared
    [ -z "$input" ] || [ -r "$input" ] || { echo "demo: cannot read $input" >&2; exit 2; }
done
mkdir -p "$OUT"
for part in sample docs tokenizer corpus run control export queries; do
    [ ! -e "$OUT/$part" ] || { chmod -R u+w "$OUT/$part"; rm -rf "${OUT:?}/$part"; }
done

if [ -z "$FILINGS" ]; then
    heading "sample: invented companies in the real formats"
    "$BIN/tenk-corpus" sample --out "$OUT/sample"
    FILINGS=$OUT/sample/filings
    [ -n "$WIKI" ] || WIKI=$(echo "$OUT"/sample/wiki/*.xml.bz2)
fi
heading "ingest: filings and Wikipedia pages to documents"
"$BIN/tenk-corpus" ingest --filings "$FILINGS" ${WIKI:+--wiki "$WIKI"} --out "$OUT/docs"
heading "tokenizer: byte-level BPE"
"$BIN/tenk-corpus" tokenizer --docs "$OUT/docs" --vocab-size 8192 --out "$OUT/tokenizer"
heading "build: 256 shards, held-out companies apart"
"$BIN/tenk-corpus" build --docs "$OUT/docs" --tokenizer "$OUT/tokenizer" --shards 256 --out "$OUT/corpus"
"$BIN/tenk-corpus" verify --corpus "$OUT/corpus"
"$BIN/tenk-corpus" stats --corpus "$OUT/corpus"

heading "train: two MPI ranks"
train "$OUT/run" --resume auto
heading "control: the same run with its attention outputs permuted over positions"
train "$OUT/control" --set model.attention_permutation=1
heading "what was learned, on held-out text (nats a masked token)"
"$BIN/tenk-pretrain" compare "$OUT/run" "$OUT/control"

heading "export: a Hugging Face folder"
"$BIN/tenk-pretrain" export --run "$OUT/run" --tokenizer "$OUT/tokenizer" --out "$OUT/export"

mkdir -p "$OUT/queries"
SOURCE=$("$BIN/tenk-corpus" stats --corpus "$OUT/corpus" --held-out-sources | head -1)
"$BIN/tenk-corpus" inspect --corpus "$OUT/corpus" --held-out "$SOURCE" --sentences 200 > "$OUT/queries/held-out.txt"
heading "fill-mask: masked words of a held-out filing"
head -n 8 "$OUT/queries/held-out.txt" > "$OUT/queries/masked.txt"
"$BIN/tenk-embed" fill-mask --model "$OUT/export" --input "$OUT/queries/masked.txt" --top 5
QUERY="Revenue increased compared with the prior year."
heading "nearest sentences of held-out filings: $QUERY"
"$BIN/tenk-embed" encode --model "$OUT/export" --input "$OUT/queries/held-out.txt" --output "$OUT/queries/held-out.npy" --pooling mean
"$BIN/tenk-embed" nearest --model "$OUT/export" --input "$OUT/queries/held-out.txt" --query "$QUERY" --top 5
printf '\ndemo: done; everything is in %s\n' "$OUT"
