"""Models to measure with, for the scripts beside this file."""
import json
import pathlib
import random

HERE = pathlib.Path(__file__).resolve().parent


def grown_tokenizer(vocab_size):
    """The demo model's, grown by random merges, two ways to make each token, as in the real one."""
    t = json.load(open(HERE.parent / "demo_model" / "tokenizer.json"))
    vocab, merges = t["model"]["vocab"], t["model"]["merges"]
    rng = random.Random(1)
    parts = [w for w in vocab if w.isalpha() and len(w) < 6]
    while len(vocab) < vocab_size:
        a, b = rng.choice(parts), rng.choice(parts)
        if a + b in vocab or len(a + b) > 16:
            continue
        vocab[a + b] = len(vocab)
        merges.append([a, b])
        parts.append(a + b)
        for cut in range(1, len(a + b)):
            x, y = (a + b)[:cut], (a + b)[cut:]
            if x != a and x in vocab and y in vocab:
                merges.append([x, y])
                break
    return t


def with_tokenizer(vindex, scratch):
    """The vindex, with the grown tokenizer of the demo model if it has none."""
    if (vindex / "tokenizer.json").exists():
        return vindex
    out = pathlib.Path(scratch) / "model.vindex"
    out.mkdir()
    for f in vindex.iterdir():
        (out / f.name).symlink_to(f)
    size = json.load(open(vindex / "index.json"))["vocab_size"]
    json.dump(grown_tokenizer(size), open(out / "tokenizer.json", "w"), ensure_ascii=False)
    return out
