#!/usr/bin/env python3
"""Checks a Dockerfile against the rules that keep an image small, repeatable and harmless.

    dockerfile.py FILE...     exit 0 when clean; 1 with one line per offence
"""
import json
import pathlib
import re
import sys


def instructions(text):
    """(line number, name, argument) with continued lines joined and comments left out."""
    joined, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or (not joined and not line.strip()):
            continue
        start = start if joined else number
        joined += line.rstrip("\\") + " " if line.endswith("\\") else line
        if not line.endswith("\\"):
            name, _, argument = joined.strip().partition(" ")
            yield start, name.upper(), argument.strip()
            joined = ""


def stages(text):
    """Lists of instructions, one per FROM."""
    out = []
    for item in instructions(text):
        if item[1] == "FROM":
            out.append([])
        if out:
            out[-1].append(item)
    return out


def run_offences(argument):
    if "apt-get install" in argument:
        if "--no-install-recommends" not in argument:
            yield "apt-get install without --no-install-recommends"
        if not re.search(r"install\s+(-\S+\s+)*-y", argument):
            yield "apt-get install without -y"
        if "apt-get update" not in argument:
            yield "apt-get install without apt-get update in the same step: its lists may be old"
        if "rm -rf /var/lib/apt/lists/*" not in argument:
            yield "apt's lists stay in the layer"
    if re.search(r"\bapt\s+(install|update)", argument):
        yield "apt is for people, scripts use apt-get"
    if re.search(r"\bsudo\b", argument):
        yield "sudo in an image"
    if re.search(r"(curl|wget)[^|;&]*\|\s*(ba)?sh", argument):
        yield "runs what it downloads"
    if re.search(r"(^|[;&]\s*)cd\s", argument):
        yield "cd instead of WORKDIR"


def offences(text):
    names = set()
    all_stages = stages(text)
    for stage in all_stages:
        for number, name, argument in stage:
            if name == "FROM":
                image, *rest = (word for word in argument.split() if not word.startswith("--"))
                if rest[:1] and rest[0].upper() == "AS":
                    names.add(rest[1])
                tag = image.rpartition(":")[2] if ":" in image else ""
                if image not in names and image != "scratch" and tag in ("", "latest"):
                    yield number, f"{image}: no fixed tag"
            elif name == "ADD":
                yield number, "ADD instead of COPY"
            elif name == "MAINTAINER":
                yield number, "MAINTAINER is deprecated"
            elif name == "WORKDIR" and not argument.startswith("/"):
                yield number, f"WORKDIR {argument} is relative"
            elif name == "RUN":
                for what in run_offences(argument):
                    yield number, what
            elif name in ("ENV", "ARG") and re.search(r"(TOKEN|SECRET|PASSWORD|_KEY)\b\s*=", argument):
                yield number, "a secret in the image"
            elif name in ("CMD", "ENTRYPOINT"):
                try:
                    json.loads(argument)
                except ValueError:
                    yield number, f"{name} in shell form: signals would not reach the program"
    last = all_stages[-1] if all_stages else []
    users = [argument for _, name, argument in last if name == "USER"]
    if not users or re.split("[: ]", users[-1])[0] in ("root", "0"):
        yield 0, "the last stage runs as root"
    if sum(name == "ENTRYPOINT" for _, name, _ in last) != 1:
        yield 0, "the last stage has not exactly one ENTRYPOINT"
    if len(all_stages) < 2:
        yield 0, "one stage: the compiler stays in the image"


def main(files):
    bad = 0
    for file in files:
        for number, what in offences(pathlib.Path(file).read_text()):
            print(f"{file}:{number}: {what}")
            bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
