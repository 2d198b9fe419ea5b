"""Encodes and decodes with a tokenizer.json of Gemma's form, by its rules.

Added tokens are cut out of the raw text first; in the rest every space becomes "▁"; then the pair with the lowest merge rank
is merged, leftmost first, over the whole stretch; what is not in the vocabulary in the end becomes <0xXX> byte tokens.
"""
import functools
import json
import re
from pathlib import Path

from special_tokens import FIRST_BYTE, SPACE


class Tokenizer:
    def __init__(self, path):
        data = json.loads(Path(path).read_text())
        self.vocab, self.merges = data["model"]["vocab"], [tuple(m) for m in data["model"]["merges"]]
        self.tokens = sorted(self.vocab, key=self.vocab.get)
        self.rank = {pair: i for i, pair in reversed(list(enumerate(self.merges)))}
        self.added = {t["content"]: t["id"] for t in data["added_tokens"]}
        self.split_added = re.compile("(" + "|".join(map(re.escape, sorted(self.added, key=len, reverse=True))) + ")")
        # No merge joins anything to a following "▁" or to a newline, runs of them apart. So cutting the text there cannot
        # change the result, and the pieces (words, mostly) can be cached.
        for left, right in self.merges:
            pair = left + right
            assert SPACE not in pair[1:] or not pair.strip(SPACE)
            assert "\n" not in pair or not pair.strip("\n")
        self.split_words = re.compile(f"\n+|{SPACE}+[^{SPACE}\n]*|[^{SPACE}\n]+")
        self.encode_word = functools.lru_cache(maxsize=None)(self.encode_stretch)

    def encode(self, text):
        ids = []
        for part in self.split_added.split(text):
            if part in self.added:
                ids.append(self.added[part])
            else:
                for word in self.split_words.findall(part.replace(" ", SPACE)):
                    ids += self.encode_word(word)
        return ids

    def encode_stretch(self, text):
        """The normative algorithm on one normalised stretch without added tokens, quadratic and plain."""
        symbols = list(text)
        while len(symbols) > 1:
            ranks = [self.rank.get(pair, len(self.rank) + 1) for pair in zip(symbols, symbols[1:])]
            best = min(ranks)
            if best > len(self.rank):
                break
            at = ranks.index(best)
            symbols[at:at + 2] = [symbols[at] + symbols[at + 1]]
        ids = []
        for symbol in symbols:
            in_bytes = [FIRST_BYTE + byte for byte in symbol.encode()]
            ids += [self.vocab[symbol]] if symbol in self.vocab else in_bytes
        return ids

    def decode(self, ids):
        out = b""
        for i in ids:
            if FIRST_BYTE <= i < FIRST_BYTE + 256:
                out += bytes([i - FIRST_BYTE])
            else:
                out += self.tokens[i].replace(SPACE, " ").encode()
        return out.decode(errors="replace")
