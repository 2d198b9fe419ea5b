"""Exports a trained checkpoint.

    python3 export.py CHECKPOINT TOKENIZER.json --gguf FILE [--f32] [--hf DIR]

--gguf writes matrices in Q8_0 (--f32: the same rounded values as F32, to compare arithmetic apart from quantisation); --hf
writes the Hugging Face form in BF16. All weights are rounded to BF16 first, so a converter that starts from the HF form
must arrive at the bytes of the GGUF.
"""
import argparse
import json
from pathlib import Path

import torch

import to_gguf
import to_hf
from config import Config


def weights(checkpoint):
    """{name: float32 tensor}, rounded to BF16."""
    state = torch.load(checkpoint)["model"]
    return {name: tensor.bfloat16().float() for name, tensor in state.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--gguf", type=Path)
    parser.add_argument("--f32", action="store_true")
    parser.add_argument("--hf", type=Path)
    args = parser.parse_args()
    state, tokenizer = weights(args.checkpoint), json.loads(args.tokenizer.read_text())
    cfg = Config(**torch.load(args.checkpoint)["config"])
    assert len(tokenizer["model"]["vocab"]) == cfg.vocab
    template = Path(__file__).with_name("chat_template.jinja").read_text()
    if args.gguf:
        to_gguf.write(args.gguf, cfg, state, tokenizer, template, args.f32)
    if args.hf:
        to_hf.write(args.hf, cfg, state, tokenizer, template)


if __name__ == "__main__":
    main()
