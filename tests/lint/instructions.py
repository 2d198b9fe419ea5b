#!/usr/bin/env python3
"""Finds instructions beyond the x86-64 baseline outside the files that are meant for them.

    instructions.py BUILD           looks at the objects of the libraries and programs of a release build
    instructions.py --strict BUILD  takes no file as meant for them: must fail, or this check sees nothing

A processor without AVX must be able to run everything but the kernels that are chosen after asking it. Two ways lead
past that: an object compiled with the wrong options, and an inline function that a file for AVX emits as a weak symbol,
which the linker may then take for everybody.
"""
import collections
import pathlib
import re
import subprocess
import sys

# Folder of the objects meant for it -> what the name of a weak function in them must contain.
MEANT_FOR = {f"runtime/kernels/{name}": name for name in ("avx2", "avxvnni", "avx512")}
# Registers and encodings that SSE2 does not have: VEX and EVEX mnemonics begin with v; the rest is BMI.
BEYOND = re.compile(r"%[yz]mm|^v(?!err|erw|mcall|mlaunch|mread|mwrite)[a-z]|"
                    r"^(andn|bextr|bls[ir]|blsmsk|bzhi|mulx|pdep|pext|rorx|sarx|shlx|shrx|lzcnt)[lqw]?\b")
FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def folder_of(obj):
    """runtime/CMakeFiles/larql_runtime.dir/kernels/avx2/kernels.cpp.o stands for runtime/kernels/avx2."""
    text = obj.as_posix()
    return re.sub(r"/?CMakeFiles/[^/]+\.dir", "", text).rpartition("/")[0]


def instructions_beyond(obj):
    """The functions of an object that hold such instructions, with the first of each."""
    found, function = {}, "?"
    for line in output("objdump", "-d", "-C", "--no-show-raw-insn", str(obj)).splitlines():
        if hit := FUNCTION.match(line):
            function = hit[1]
            continue
        instruction = line.partition(":")[2].strip()
        if function not in found and BEYOND.search(instruction):
            found[function] = instruction
    return found


def weak_functions(obj):
    for line in output("nm", "-C", "--defined-only", str(obj)).splitlines():
        kind, _, name = line.partition(" ")[2].partition(" ")
        if kind == "W":
            yield name


def offences(build, strict):
    objects = sorted(o for part in ("runtime", "schema", "actors", "cli") for o in (build / part).rglob("*.o"))
    seen = collections.Counter()
    for obj in objects:
        name = obj.relative_to(build)
        word = None if strict else MEANT_FOR.get(folder_of(name))
        seen[word] += 1
        if word is None:
            for function, instruction in instructions_beyond(obj).items():
                yield f"{name}: {function}: {instruction}"
            continue
        for function in weak_functions(obj):
            if word not in function:
                yield f"{name}: emits {function}, which code for every processor may get linked"
    for word in () if strict else MEANT_FOR.values():
        if seen[word] == 0:
            yield f"no object for {word} below {build}: nothing was checked"
    if seen[None] == 0:
        yield f"no objects below {build}"


def main(arguments):
    strict = arguments[:1] == ["--strict"]
    found = list(offences(pathlib.Path(arguments[-1]), strict))
    for line in found[:20]:
        print(line)
    if len(found) > 20:
        print(f"and {len(found) - 20} more")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
