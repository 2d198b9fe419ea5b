"""Turns the corpus into packed sequences: arrays ids, documents, targets of [sequences, length].

Documents are never cut: they go into sequences whole, side by side, and the model keeps them apart by their number.
"""
import json

import numpy as np

IGNORED = -100  # target of padding and of a document's last token
OPEN = 16  # sequences that may still take a document; one would leave a ninth of the places empty


def load(path, tokenizer):
    """[(kind, ids), ...]"""
    return [(kind, np.array(tokenizer.encode(text), np.int32)) for kind, text in map(json.loads, open(path))]


def pack(documents, length):
    """documents: list of id arrays, none longer than `length`; each goes into the first open sequence with room."""
    sequences = []  # [free places, parts]
    for ids in documents:
        fits = next((s for s in sequences[-OPEN:] if s[0] >= len(ids)), None)
        if fits is None:
            fits = [length, []]
            sequences.append(fits)
        fits[0] -= len(ids)
        fits[1].append(ids)
    ids = np.zeros((len(sequences), length), np.int64)
    number = np.full_like(ids, -1)
    targets = np.full_like(ids, IGNORED)
    for row, (_, parts) in enumerate(sequences):
        at = 0
        for n, part in enumerate(parts):
            end = at + len(part)
            ids[row, at:end], number[row, at:end], targets[row, at:end - 1] = part, n, part[1:]
            at = end
    return ids, number, targets
