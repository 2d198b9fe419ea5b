#!/usr/bin/env bash
# Makes every generated file of this folder anew: capitals.tsv, tokenizer.json, larql-demo.gguf. About two hours on one core.
#
#   retrain.sh [WORK_DIR]      corpus, checkpoints, logs and the Hugging Face form (hf/) go to WORK_DIR
#
# Needs Debian's python3-torch, python3-numpy and libopenblas0-pthread; without OpenBLAS it takes many times as long.
set -euo pipefail
cd "$(dirname "$0")"
work=${1:-/var/tmp/larql-train}
python=${PYTHON:-/usr/bin/python3}
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1
"$python" corpus.py "$work/data"
"$python" train_tokenizer.py "$work/data/train.jsonl" tokenizer.json
nice -n 19 "$python" train.py "$work/data" tokenizer.json "$work" | tee "$work/train.log"
"$python" export.py "$work/checkpoint.pt" tokenizer.json --gguf larql-demo.gguf --hf "$work/hf"
"$python" evaluate.py larql-demo.gguf tokenizer.json capitals.tsv --heldout "$work/data/heldout.jsonl"
