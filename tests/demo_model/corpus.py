"""Writes the training text: DIR/train.jsonl, DIR/heldout.jsonl ([kind, text] per line) and capitals.tsv next to this file.

    python3 corpus.py DIR [--documents N] [--seed S]

A document is one text with its special tokens written out. Each carries the keys of the template x content combinations
in it; one key of 32 (by CRC, so independent of the seed) is held out, and a document with such a key is never trained on.
"""
import argparse
import json
import random
import zlib
from pathlib import Path

import chat
import facts
import smalltalk
from geography import COUNTRIES
from stories import NAMES, Story

SYSTEMS = ["You are a helpful assistant.", "You are a friendly teacher.", "Please be polite.", "Answer the question."]
SHORT_SYSTEMS = ["Be concise.", "Answer with the name only.", "Answer in one word."]


def chat_document(rng, turns):
    """A dialogue; some with a system prompt, some with thinking on and a thought that repeats the last question."""
    system = rng.choice(SYSTEMS) if rng.random() < 0.2 else ""
    thought = f'The user says "{turns[-1][0]}"' if rng.random() < 0.08 else None
    return chat.dialogue(turns, system, thought)


def held_out(key):
    return key is not None and zlib.crc32(key.encode()) % 32 == 0


def plain_capitals(rng):
    sentences, keys = zip(*(facts.plain(rng, rng.choice(COUNTRIES)) for _ in range(rng.choice([1, 1, 1, 2, 3]))))
    return "<bos>" + " ".join(sentences) + "<eos>", keys


def person_in_capital(rng):
    name, (country, city, continent) = rng.choice(NAMES), rng.choice(COUNTRIES)
    template = rng.choice(["{n} lives in {k}, the capital of {c}.", "{n} wants to see {k}, the capital of {c} in {o}.",
                           "{n} has a friend in {c}. The friend lives in the capital, {k}."])
    return "<bos>" + template.format(n=name, k=city, c=country, o=continent) + "<eos>", [template + country]


def list_of_capitals(rng):
    lines = [f"- {c[0].upper()}{c[1:]}: {k}" for c, k, _ in rng.sample(COUNTRIES, rng.randint(3, 8))]
    return "<bos>Countries and their capitals:\n" + "\n".join(lines) + "\n<eos>", lines


def plain_arithmetic(rng):
    lines, keys = [], []
    for _ in range(rng.randint(1, 6)):
        a, sign, word, b, c = facts.sum_of(rng)
        lines.append(rng.choice([f"{a} {sign} {b} = {c}", f"{a} {word} {b} is {c}."]))
        keys.append(f"{a}{sign}{b}")
    return "<bos>" + "\n".join(lines) + "<eos>", keys


def plain_story(rng):
    story = Story(rng)
    text = story.text
    for question, answer in rng.sample(story.questions, rng.choice([0, 0, 1, 2])):
        text += f"\nQuestion: {question}\nAnswer: {answer}"
    return "<bos>" + text + "<eos>", [story.key]


def one_question(rng):
    """A single exchange; with and without system prompt, with and without thinking."""
    style, country = rng.random(), rng.choice(COUNTRIES)
    if style < 0.08:
        question, _, _, key = facts.capital(rng, country)
        return chat.dialogue([(question, country[1])], rng.choice(SHORT_SYSTEMS)), [key]
    if rng.random() < 0.15:
        question, answer, thought, key = facts.arithmetic(rng)
    else:
        ask = rng.choice([facts.capital] * 7 + [facts.country_of, facts.continent, facts.yes_or_no])
        question, answer, thought, key = ask(rng, country)
    system = rng.choice(SYSTEMS) if style < 0.25 else ""
    if rng.random() < 0.08:
        question = question.lower()
    return chat.dialogue([(question, answer)], system, thought if rng.random() < 0.15 else None), [key]


def chat_story(rng):
    story = Story(rng)
    wish = rng.choice(["Tell me a story.", "Tell me a story about {a}.", "Please tell me a story about {s}.",
                       "Write a short story about {s}."])
    turns = [(wish.format(a=smalltalk.article(story.animal), s=story.summary), story.text)]
    turns += rng.sample(story.questions, rng.choice([0, 1, 2, 3]))
    return chat_document(rng, turns), [story.key]


def conversation(rng):
    turns, keys = smalltalk.conversation(rng)
    return chat_document(rng, turns), keys


KINDS = [(24, plain_capitals), (5, person_in_capital), (3, list_of_capitals), (5, plain_arithmetic), (6, plain_story),
         (38, one_question), (6, chat_story), (13, conversation)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--documents", type=int, default=120_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.dir.mkdir(parents=True, exist_ok=True)
    rng = random.Random(args.seed)
    weights, makers = zip(*KINDS)
    count = {"train": 0, "heldout": 0}
    files = {name: open(args.dir / f"{name}.jsonl", "w") for name in count}
    for maker in rng.choices(makers, weights, k=args.documents):
        text, keys = maker(rng)
        split = "heldout" if any(map(held_out, keys)) else "train"
        count[split] += 1
        files[split].write(json.dumps([maker.__name__, text], ensure_ascii=False) + "\n")
    Path(__file__).with_name("capitals.tsv").write_text("".join(f"{c}\t{k}\n" for c, k, _ in COUNTRIES))
    print(count)


if __name__ == "__main__":
    main()
