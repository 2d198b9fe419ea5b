"""Compares model.py on an exported file with logits another program computed from the same file and token ids.

    python3 compare.py MODEL.gguf FILE.ids OTHER.logits.f32

FILE.ids holds token ids separated by white space; the logits are raw little-endian f32 [tokens][vocab].
"""
import sys

import numpy as np

import exported

model_path, ids_path, logits_path = sys.argv[1:]
model, ids = exported.load(model_path), [int(word) for word in open(ids_path).read().split()]
ours = model.logits_of(ids).numpy()
other = np.fromfile(logits_path, "<f4").reshape(ours.shape)
difference = ours - other
print(f"{len(ids)} tokens: max {np.abs(difference).max():.5f}, rms {np.sqrt((difference**2).mean()):.5f}, "
      f"top-1 equal {(ours.argmax(-1) == other.argmax(-1)).mean():.4f}, logits' rms {np.sqrt((other**2).mean()):.3f}")
