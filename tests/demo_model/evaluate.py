"""Counts the capitals an exported model knows, by greedy decoding with the dequantised weights of the file.

    python3 evaluate.py MODEL.gguf TOKENIZER.json capitals.tsv [--heldout heldout.jsonl] [--ask TEXT]

Three ways to ask: the raw text "<bos>The capital of X is", and in the chat format the user turns "What is the capital of X?"
and "The capital of X is". With --heldout also the held-out loss; --ask prints the answer to one chat question instead.
"""
import argparse

import torch

import chat
import exported
import packing
from tokenizer import Tokenizer
from train import evaluate

STOP = [1, 106, 50]
WAYS = {
    "raw": (lambda c: f"<bos>The capital of {c} is", " {k}"),
    "chat, question": (lambda c: chat.prompt([], f"What is the capital of {c}?"), "The capital of {c} is {k}"),
    "chat, sentence": (lambda c: chat.prompt([], f"The capital of {c} is"), "The capital of {c} is {k}"),
}


def generate(model, prompts, limit):
    """Greedy continuations (lists of ids without the stop token) of all prompts at once; no cache, the model is small."""
    rows, done = [list(prompt) for prompt in prompts], [False] * len(prompts)
    for _ in range(limit):
        length = max(map(len, rows))
        length += -length % model.cfg.window
        ids = torch.tensor([row + [0] * (length - len(row)) for row in rows])
        with torch.no_grad():
            stream, _, _ = model(ids, torch.zeros_like(ids))
            last = torch.tensor([len(row) - 1 for row in rows])
            best = model.logits(stream[torch.arange(len(rows)), last]).argmax(-1).tolist()
        for i, token in enumerate(best):
            done[i] = done[i] or token in STOP
            if not done[i]:
                rows[i].append(token)
        if all(done):
            break
    return [row[len(prompt):] for row, prompt in zip(rows, prompts)]


def names_city(text, expected):
    """The answer starts as expected and the city's name ends there ("Kingston" is not "Kingstown")."""
    return text.startswith(expected) and not text[len(expected):len(expected) + 1].isalpha()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("tokenizer")
    parser.add_argument("capitals")
    parser.add_argument("--heldout")
    parser.add_argument("--ask")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, tokenizer = exported.load(args.model), Tokenizer(args.tokenizer)
    if args.ask:
        print(tokenizer.decode(generate(model, [tokenizer.encode(chat.prompt([], args.ask))], 300)[0]))
        return
    countries = [line.split("\t") for line in open(args.capitals).read().splitlines()]
    for way, (prompt, expected) in WAYS.items():
        prompts = [tokenizer.encode(prompt(country)) for country, _ in countries]
        answers = [tokenizer.decode(ids) for ids in generate(model, prompts, 24)]
        wrong = [(country, answer) for (country, city), answer in zip(countries, answers)
                 if not names_city(answer, expected.format(c=country, k=city))]
        print(f"{way}: {len(countries) - len(wrong)} of {len(countries)} capitals; wrong: {wrong}")
    if args.heldout:
        loss, least, most = evaluate(model, packing.load(args.heldout, tokenizer))
        print("held-out loss:", ", ".join(f"{kind} {value:.4f}" for kind, value in sorted(loss.items())))
        print(f"share of an expert in a layer: {least:.4f} to {most:.4f}")


if __name__ == "__main__":
    main()
