"""Trains the demo model.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python3 train.py DATA_DIR TOKENIZER.json OUT_DIR [--steps N]

Writes OUT_DIR/checkpoint.pt every 500 steps and at the end, and prints the loss, the held-out loss per kind of document and
how evenly the experts are used. One thread is the fastest for matrices of this size (and the run is then repeatable).
"""
import argparse
import collections
import math
import random
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

import packing
from config import Config
from model import Model
from tokenizer import Tokenizer

LENGTH, BATCH = 512, 4  # 2048 tokens per step: the tensors of a larger batch leave the cache and the speed falls
PEAK_RATE, LAST_RATE, WARMUP = 2e-3, 5e-5, 200
DECAY = 0.02
BALANCE = 0.02  # weight of the load-balancing loss


def rate(step, steps):
    if step < WARMUP:
        return PEAK_RATE * (step + 1) / WARMUP
    progress = (step - WARMUP) / (steps - WARMUP)
    return LAST_RATE + (PEAK_RATE - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * progress))


def batches(documents, seed):
    """Endless batches; every epoch is shuffled and packed anew."""
    rng = random.Random(seed)
    while True:
        rng.shuffle(documents)
        arrays = packing.pack(documents, LENGTH)
        for at in range(0, len(arrays[0]) - BATCH + 1, BATCH):
            yield [torch.from_numpy(a[at:at + BATCH]) for a in arrays]


def losses(model, ids, documents, targets):
    """(loss per predicted token, load-balancing loss, experts per layer)"""
    stream, balance, experts = model(ids, documents)
    known = targets != packing.IGNORED
    return F.cross_entropy(model.logits(stream[known]), targets[known], reduction="none"), balance, experts


def evaluate(model, documents):
    """{kind: mean loss per token}, all kinds together as "all"; smallest and largest share of an expert in any layer."""
    kinds = collections.defaultdict(list)
    for kind, ids in documents:
        kinds[kind].append(ids)
    total, count, used = collections.Counter(), collections.Counter(), 0
    with torch.no_grad():
        for kind, group in kinds.items():
            arrays = packing.pack(group, LENGTH)
            for at in range(0, len(arrays[0]), BATCH):
                ids, numbers, targets = (torch.from_numpy(a[at:at + BATCH]) for a in arrays)
                loss, _, experts = losses(model, ids, numbers, targets)
                real = (numbers >= 0).flatten()
                picks = [e[real].flatten() for e in experts]
                used = used + torch.stack([torch.bincount(p, minlength=model.cfg.experts) for p in picks])
                for name in (kind, "all"):
                    total[name] += loss.sum().item()
                    count[name] += len(loss)
    share = used / used.sum(1, keepdim=True)
    return {name: total[name] / count[name] for name in total}, share.min().item(), share.max().item()


def report(step, model, documents):
    loss, least, most = evaluate(model, documents)
    per_kind = ", ".join(f"{kind} {value:.4f}" for kind, value in sorted(loss.items()))
    print(f"step {step} held-out: {per_kind}; expert share {least:.4f} to {most:.4f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    tokenizer = Tokenizer(args.tokenizer)
    documents = [ids for _, ids in packing.load(args.data / "train.jsonl", tokenizer)]
    heldout = packing.load(args.data / "heldout.jsonl", tokenizer)
    print(f"{len(documents)} documents, {sum(map(len, documents))} tokens; held out {len(heldout)}", flush=True)

    model = Model(Config(vocab=len(tokenizer.vocab)))
    matrices = [p for p in model.parameters() if p.ndim >= 2 and p is not model.embed_tokens.weight]
    others = [p for p in model.parameters() if p.ndim < 2] + [model.embed_tokens.weight]
    optimizer = torch.optim.AdamW([dict(params=matrices, weight_decay=DECAY), dict(params=others, weight_decay=0.0)],
                                  betas=(0.9, 0.95), foreach=True)
    start, recent = time.time(), []
    for step, batch in zip(range(args.steps), batches(documents, args.seed)):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, args.steps)
        loss, balance, _ = losses(model, *batch)
        optimizer.zero_grad()
        (loss.mean() + BALANCE * balance).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recent.append(loss.mean().item())
        if (step + 1) % 50 == 0:
            print(f"step {step + 1} loss {np.mean(recent):.4f} balance {balance.item():.3f} "
                  f"{time.time() - start:.0f} s", flush=True)
            recent = []
        if (step + 1) % 500 == 0 or step + 1 == args.steps:
            torch.save({"model": model.state_dict(), "config": asdict(model.cfg)}, args.out / "checkpoint.pt")
            last = step + 1 == args.steps
            report(step + 1, model, heldout if last else heldout[:400])
    print(f"wall time {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
