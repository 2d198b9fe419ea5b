#!/usr/bin/env python3
"""Checks the shape of files: length, the comment that opens a header, unfinished marks.

    files.py [ROOT]         exit 0 when clean; 1 with one line per offence
"""
import pathlib
import re
import subprocess
import sys

MAX_LINES, MAX_TEST_LINES = 400, 500
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
TEXT = {".cpp", ".hpp", ".py", ".sh", ".md", ".capnp", ".txt", ".cmake", ".json", ".toml", ".yml"}


def tracked(root):
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, check=True, capture_output=True,
                            text=True)
    return [root / name for name in listed.stdout.splitlines() if (root / name).is_file()]


def offences(path, lines):
    if path.suffix in (".cpp", ".hpp", ".py"):
        most = MAX_TEST_LINES if path.parts[0] == "tests" else MAX_LINES
        if len(lines) > most:
            yield len(lines), f"has {len(lines)} lines, at most {most} (one idea per file)"
        for number, line in enumerate(lines, 1):
            if MARKS.search(line) and path.name != "files.py":
                yield number, "holds a mark of unfinished work"
    if path.suffix == ".hpp":
        if not lines or not lines[0].startswith("// "):
            yield 1, "a header opens with a comment that says what it is"
        if "#pragma once" not in lines:
            yield 1, "has no #pragma once"
    for number, line in enumerate(lines, 1):
        if line.endswith((" ", "\t")) and path.suffix in TEXT - {".md"}:
            yield number, "ends in white space"


TOP = {".ci", ".clang-format", ".clang-tidy", ".dockerignore", ".editorconfig", ".gitignore", "CHANGELOG.md", "CMakeLists.txt",
       "CMakePresets.json", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "actors", "cli", "deploy", "docs",
       "runtime", "schema", "tests"}


def main(root):
    bad = 0
    for name in sorted({file.relative_to(root).parts[0] for file in tracked(root)} - TOP):
        print(f"{name}: not one of the project's top-level names (output of a run?)")
        bad = 1
    for file in tracked(root):
        if file.suffix not in TEXT:
            continue
        path = file.relative_to(root)
        for number, what in offences(path, file.read_text(errors="replace").splitlines()):
            print(f"{path}:{number}: {what}")
            bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
