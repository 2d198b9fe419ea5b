#!/usr/bin/env python3
"""Checks what pages and comments refer to, comments that reflowing has broken, and the sizes of short pages.

    pages.py [ROOT]         exit 0 when clean; 1 with one line per offence

References  A page `docs/x.md` (with `"Heading"` behind it: that heading), a link and its anchor, an ADR by number, and
            a source file, which may be named by the end of its path: `gemma4/kv_cache.hpp`.
Comments    A line of one to three words between a full line and the next line of the same paragraph; a line of a
            header's opening comment that has lost the indentation of its keyword.
Sizes       ADRs, the README.md of each folder of code, and the pages of one screen.
"""
import pathlib
import re
import subprocess
import sys

CODE = {".cpp", ".hpp", ".py", ".sh", ".capnp", ".cmake", ".txt", ".yml", ".toml"}
ROOMS = ("runtime", "schema", "actors", "cli")
# Names that end like a source file's and are none; words in capitals and a/b/c stand for any name.
PROJECTS = {"llama.cpp", "gemma.cpp"}
ANY_NAME = re.compile(r"(?:^|/)(?:[A-Z]+(?:\.|/|$)|a/b/|c_test\.)")
# Records of what was true on their day.
HISTORY = ("docs/measurements/", "CHANGELOG.md")
COLUMNS = 100
ADR_LINES, README_LINES, SCREEN_LINES = 40, 10, 60
ONE_SCREEN = ("docs/glossary.md", "docs/performance.md")

PAGE = re.compile(r'(?<![\w/.-])(docs/[\w/-]+\.md)((?:(?:,| and)? \(?"[^"\n]{2,60}")*)')
QUOTED = re.compile(r'"([^"]+)"')
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
ADR = re.compile(r"\bADRs? ((?:\d{4}(?:, | and |/)?)+)|docs/adr/(\d{4})")
SOURCE = re.compile(r"(?<![\w/.*-])((?:[\w-]+/)*[\w-]+\.(?:hpp|cpp|capnp|py))(?![\w-])")
PATH = re.compile(r"`((?:runtime|schema|actors|cli|tests|deploy|docs)/[\w/.*-]*)`")


class Tree:
    """What exists: tracked files by name, headings by page."""

    def __init__(self, files):
        self.files = files  # name -> text
        self.names = set(files)
        self.folders = {str(p) for name in files for p in pathlib.PurePosixPath(name).parents}
        self.ends = {name[i:] for name in files for i in [0] + [m.end() for m in re.finditer("/", name)]}
        self.headings = {name: headings(text) for name, text in files.items() if name.endswith(".md")}
        self.adrs = {m[1] for m in (re.match(r"docs/adr/(\d{4})-", name) for name in files) if m}

    def has_path(self, path):
        path = path.rstrip("/")
        if "*" in path:
            pattern = re.compile(re.escape(path).replace(r"\*", "[^/]*") + "$")
            return any(pattern.match(name) for name in self.names | self.folders)
        return path in self.names or path in self.folders or any(path + e in self.names for e in (".hpp", ".cpp"))


def headings(text):
    """Of a page, without their marks."""
    out, in_code = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            in_code = not in_code
        elif not in_code and (m := re.match(r"#+ (.*)", line)):
            out.append(m[1].strip())
    return out


def anchor(heading):
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def comment_of(line):
    """The text of a line that is nothing but a comment of C++, else None."""
    m = re.match(r"\s*///?(?!/)(?: |$)(.*)", line)
    return m[1] if m else None


def passages(name, text):
    """(first line, lines of text) of what may refer: pages whole, and blocks of comments."""
    lines = text.splitlines()
    if name.endswith(".md"):
        yield 1, lines
        return
    block = []
    for number, line in enumerate(lines + [""], 1):
        if name.endswith((".cpp", ".hpp")):
            m = re.search(r"(?:^|\s)///?<?(?= |$)(.*)", line)
            whole = comment_of(line) is not None
        else:
            m = re.search(r"(?:^|\s)#(?= |$)(.*)", line)
            whole = bool(re.match(r"\s*#", line))
        if block and not (m and whole):
            yield number - len(block), block
            block = []
        if m and whole:
            block.append(m[1].strip())
        elif m:
            yield number, [m[1].strip()]


def references(name, text, tree):
    folder = pathlib.PurePosixPath(name).parent
    is_page = name.endswith(".md")
    for first, lines in passages(name, text):
        joined = " ".join(lines)
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line) + 1)

        def at(offset):
            return first + max(i for i, s in enumerate(starts[:-1]) if s <= offset)

        for m in PAGE.finditer(joined):
            if ANY_NAME.search(m[1]):
                continue
            if m[1] not in tree.names:
                yield at(m.start()), f"{m[1]} does not exist"
                continue
            for heading in QUOTED.findall(m[2]):
                if heading not in tree.headings[m[1]]:
                    yield at(m.start()), f'{m[1]} has no heading "{heading}"'
        for m in ADR.finditer(joined):
            for number in re.findall(r"\d{4}", m[0]):
                if number not in tree.adrs:
                    yield at(m.start()), f"there is no ADR {number}"
        for m in SOURCE.finditer(joined):
            if m[1] not in tree.ends | PROJECTS and not ANY_NAME.search(m[1]):
                yield at(m.start()), f"{m[1]} does not exist"
        if not is_page:
            continue
        for m in PATH.finditer(joined):
            if not SOURCE.fullmatch(m[1]) and not tree.has_path(m[1]) and not ANY_NAME.search(m[1]):
                yield at(m.start()), f"{m[1]} does not exist"
        for m in LINK.finditer(joined):
            target, _, fragment = m[1].partition("#")
            if "://" in target or target.startswith("mailto:"):
                continue
            path = name if not target else str(pathlib.PurePosixPath(
                *normal((folder / target).parts)))
            if not tree.has_path(path):
                yield at(m.start()), f"the link {m[1]} leads nowhere"
            elif fragment and fragment not in map(anchor, tree.headings.get(path, [])):
                yield at(m.start()), f"the link {m[1]} names no heading of {path}"


def normal(parts):
    out = []
    for part in parts:
        if part == ".." and out:
            out.pop()
        elif part != ".":
            out.append(part)
    return out


HANGING = re.compile(r"([A-Z][a-z]+ {2,})\S")  # "Owner     The node": the text begins at a column


def starts_anew(text):
    """A paragraph, list entry, table or figure begins here, or a keyword of a header."""
    return not text.strip() or HANGING.match(text) or re.match(r"\s*(?:[-*·@|]|\d+\.)|.*[─│└┌►→]", text)


def broken_comments(lines):
    texts = [comment_of(line) for line in lines]
    hanging, in_opening = 0, bool(lines) and texts[0] is not None
    for i, text in enumerate(texts):
        in_opening = in_opening and text is not None
        if in_opening:
            first = text.split(" ")[0]
            if m := HANGING.match(text):
                hanging = len(m[1])
            elif first[:1].isupper() and len(first) + 1 == hanging:
                continue  # the longest keyword
            elif not text.strip():
                hanging = 0
            elif hanging and len(text) - len(text.lstrip()) < hanging:
                yield i + 1, "the comment has lost the indentation of its keyword"
                continue
        if text is None or not 0 < i < len(lines) - 1 or texts[i - 1] is None or texts[i + 1] is None:
            continue
        words, following = text.split(), texts[i + 1]
        if not 1 <= len(words) <= 3 or any(map(starts_anew, (text, following))):
            continue
        is_full = len(lines[i - 1]) + 1 + len(words[0]) > COLUMNS
        has_room = len(lines[i]) + 1 + len(following.split()[0]) <= COLUMNS
        if is_full and has_room and not text.rstrip().endswith((".", ":")):
            yield i + 1, "a line of a few words in the middle of a paragraph: the comment was broken by reflowing"


def sizes(name, lines):
    if re.match(r"docs/adr/\d{4}-", name):
        if len(lines) > ADR_LINES:
            yield len(lines), f"has {len(lines)} lines, an ADR at most {ADR_LINES}"
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS:
                yield number, f"has {len(line)} columns, in an ADR at most {COLUMNS}"
    if name.endswith("/README.md") and name.startswith(tuple(r + "/" for r in ROOMS)) and len(lines) > README_LINES:
        yield len(lines), f"has {len(lines)} lines, the README of a folder at most {README_LINES}"
    if name in ONE_SCREEN and len(lines) > SCREEN_LINES:
        yield len(lines), f"has {len(lines)} lines, a page of one screen at most {SCREEN_LINES}"


def offences(tree):
    for name, text in sorted(tree.files.items()):
        lines = text.splitlines()
        if not name.startswith(HISTORY) and not name.startswith("tests/lint/pages"):
            yield from ((name, n, what) for n, what in references(name, text, tree))
        if name.endswith((".cpp", ".hpp")):
            yield from ((name, n, what) for n, what in broken_comments(lines))
        yield from ((name, n, what) for n, what in sizes(name, lines))
    for folder in sorted(tree.folders):
        is_room = folder.startswith(ROOMS) and any(
            name.startswith(folder + "/") and name.endswith(".hpp") and "/" not in name[len(folder) + 1:]
            for name in tree.names)
        if is_room and folder + "/README.md" not in tree.names:
            yield folder, 1, "has no README.md"


def read(root):
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, check=True, capture_output=True,
                            text=True)
    files = {}
    for name in listed.stdout.splitlines():
        path = root / name
        if path.is_file():
            is_text = path.suffix in CODE | {".md"} or path.name == "Makefile"
            files[name] = path.read_text(errors="replace") if is_text else ""
    return Tree(files)


def main(root):
    bad = 0
    for name, number, what in offences(read(root)):
        print(f"{name}:{number}: {what}")
        bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
