"""Learns a BPE vocabulary from the corpus and writes it in the form of Gemma 4's tokenizer.json.

    python3 train_tokenizer.py train.jsonl tokenizer.json [--vocab N]
"""
import argparse
import collections
import json
import re
from pathlib import Path

from special_tokens import ADDED, LONGEST_RUN, LOW, SPACE, low_tokens


def run_merges(symbol):
    """Every way to join two runs into a run of at most 31, the longest first, as Gemma's list does."""
    return [(symbol * left, symbol * (n - left)) for n in range(LONGEST_RUN, 1, -1) for left in range(n - 1, 0, -1)]


def count_words(path):
    """Words as BPE may build them: letters with the space before them; single digits and punctuation stay apart."""
    words, cut = collections.Counter(), re.compile("|".join(re.escape(LOW[i]) for i in ADDED))
    word = re.compile(f"{SPACE}?[^\\W\\d_]+")
    letters = collections.Counter()
    for line in open(path):
        for part in cut.split(json.loads(line)[1]):
            part = part.replace(" ", SPACE)
            letters.update(part)
            words.update(word.findall(part))
    return words, letters


def learn(words, known, count):
    """Classic BPE: join the most frequent pair until `count` new tokens exist; ties go to the smaller pair."""
    merges, tokens = [], []
    pieces = {word: list(word) for word in words}
    while len(tokens) < count:
        pairs = collections.Counter()
        for word, symbols in pieces.items():
            for pair in zip(symbols, symbols[1:]):
                if pair[0] in known and pair[1] in known:
                    pairs[pair] += words[word]
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        joined = "".join(best)
        if joined not in known:
            known.add(joined)
            tokens.append(joined)
        for symbols in pieces.values():
            at = 0
            while at < len(symbols) - 1:
                if (symbols[at], symbols[at + 1]) == best:
                    symbols[at:at + 2] = [joined]
                at += 1
    return merges, tokens


def build(words, letters, size):
    ascii_letters = [chr(c) for c in range(33, 127)] + [SPACE]
    # Rarer letters stay out on purpose: they are written as bytes, so that byte fallback is in daily use.
    common = [c for c, n in letters.items() if ord(c) > 126 and c != SPACE and n * 5000 > sum(letters.values())]
    singles = sorted({*ascii_letters, *common}, key=lambda c: (-letters[c], c))
    low = low_tokens()
    merges, learned = learn(words, set(singles), size - len(low) - len(singles))
    vocab = {token: i for i, token in enumerate(low + learned + singles)}
    added = [dict(id=i, content=LOW[i], single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
             for i in ADDED]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
        "post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}],
                           "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                           "special_tokens": {}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                  "vocab": vocab, "merges": [*run_merges("\n"), *run_merges(SPACE), *merges]},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("out", type=Path)
    parser.add_argument("--vocab", type=int, default=2048)
    args = parser.parse_args()
    data = build(*count_words(args.corpus), args.vocab)
    args.out.write_text(json.dumps(data, ensure_ascii=False) + "\n")
    print(f"{len(data['model']['vocab'])} tokens, {len(data['model']['merges'])} merges")


if __name__ == "__main__":
    main()
