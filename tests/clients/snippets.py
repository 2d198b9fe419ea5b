#!/usr/bin/env python3
"""Runs the examples of docs/serve.md and README.md against a server, as a reader would paste them.

    snippets.py PAGE README URL TEXT NODE_MODULES NODE

PAGE          docs/serve.md; its blocks sh, python, js and yaml are the examples
README        README.md; its line that begins with curl and asks for an answer is one
URL           of the server, which takes the place of the page's http://127.0.0.1:8090
TEXT          what the model answers
NODE_MODULES  where the packages of JavaScript are; empty: JavaScript is left out, and that is said
NODE          the program that runs them
Exit code 1 if an example does not give TEXT. Python's is left out, and that is said, where its package is missing.
"""
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

PORT = "http://127.0.0.1:8090"


def blocks(page):
    """language -> text of the page's examples."""
    return {m[1]: m[2] for m in re.finditer(r"^```(sh|python|js|yaml)\n(.*?)^```", page, re.S | re.M)}


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **more)
    if done.returncode != 0:
        sys.exit(f"{command[0]} ended with code {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def streamed(text):
    """The content of a stream of chat completions."""
    out = ""
    for line in text.splitlines():
        if line.startswith("data: {"):
            for choice in json.loads(line[6:])["choices"]:
                out += choice["delta"].get("content") or ""
    return out


def check(name, got, wanted):
    if got.strip() != wanted.strip():
        sys.exit(f"{name}: {got!r}, expected {wanted!r}")
    print(f"ok {name}")


def readme_example(readme):
    """The line of README.md that asks the server."""
    for line in pathlib.Path(readme).read_text().splitlines():
        if line.startswith(f"curl {PORT}/v1/chat/completions"):
            return line
    sys.exit(f"{readme}: no example with curl")


def main(page, readme, url, text, modules, node):
    examples = {k: v.replace(PORT, url) for k, v in blocks(pathlib.Path(page).read_text()).items()}
    missing = {"sh", "python", "js", "yaml"} - set(examples)
    if missing:
        sys.exit(f"{page}: no example of {', '.join(sorted(missing))}")
    check("curl", streamed(run(["sh", "-c", examples["sh"]])), text)
    answer = json.loads(run(["sh", "-c", "exec " + readme_example(readme).replace(PORT, url)]))
    if not answer["choices"][0]["message"]["content"]:
        sys.exit(f"README: {answer}")
    print("ok curl of the README")
    if importlib.util.find_spec("openai"):
        check("python", run([sys.executable, "-c", examples["python"]]), text)
    else:
        print("SKIPPED python: the package openai is missing")
    if modules:
        with tempfile.TemporaryDirectory() as work:
            os.symlink(modules, f"{work}/node_modules")
            pathlib.Path(f"{work}/example.mjs").write_text(examples["js"])
            check("javascript", run([node, f"{work}/example.mjs"]), text)
    else:
        print("SKIPPED javascript: npm or its packages are missing")
    if f"apiBase: {url}/v1" not in examples["yaml"]:
        sys.exit("yaml: the editor's settings name another address")
    print("ok editor")


if __name__ == "__main__":
    main(*sys.argv[1:])
