#!/usr/bin/env python3
"""Finds instructions beyond the baseline of x86-64 or 64-bit ARM outside the files that are meant for them.

    instructions.py BUILD           looks at the objects of the libraries and programs of a release build
    instructions.py --strict BUILD  takes no file as meant for them: must fail, or this check sees nothing

The oldest processor must be able to run everything but the kernels that are chosen after asking it. Two ways lead past
that: an object compiled with the wrong options, and an inline function that a file for newer ones emits as a weak
symbol, which the linker may then take for everybody.
"""
import collections
import pathlib
import re
import shutil
import subprocess
import sys

# Folder of the sources meant for it, or one of them -> what the name of a weak function in them
# must contain.
MEANT_FOR = {f"runtime/kernels/{name}": name for name in ("avx2", "avxvnni", "avx512")}
# Registers and encodings that SSE2 does not have: VEX and EVEX mnemonics begin with v; the rest is BMI.
BEYOND = re.compile(r"%[yz]mm|^v(?!err|erw|mcall|mlaunch|mread|mwrite)[a-z]|"
                    r"^(andn|bextr|bls[ir]|blsmsk|bzhi|mulx|pdep|pext|rorx|sarx|shlx|shrx|lzcnt)[lqw]?\b")
# The same for 64-bit ARM: products of bytes, and what ARM 8.1 and 8.2 have, which the kernels' files are compiled for.
# The compiler's own atomics ask the processor (its -moutline-atomics).
MEANT_FOR_ARM = {"runtime/kernels/neon/kernels_dotprod.cpp": "neon", "runtime/kernels/neon/kernels_i8mm.cpp": "i8mm"}
BEYOND_ARM = re.compile(r"^((s|u|us|su)dot|(s|u|us)mmla|bf(dot|mmla|mlal[bt])|sqrdml[as]h|crc32\w*|"
                        r"(cas|swp|ldadd|ldclr|ldeor|ldset|ld[su]max|ld[su]min)(a|al|l)?[bh]?)\b")
MACHINES = {62: ("", MEANT_FOR, BEYOND), 183: ("aarch64-linux-gnu-", MEANT_FOR_ARM, BEYOND_ARM)}
FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def source_of(obj):
    """runtime/CMakeFiles/larql_runtime.dir/kernels/avx2/kernels.cpp.o was made of runtime/kernels/avx2/kernels.cpp."""
    return re.sub(r"/?CMakeFiles/[^/]+\.dir", "", obj.as_posix()).removesuffix(".o")


class machine:
    """What the objects are for, with the tools that read them."""

    def __init__(self, obj):
        number = int.from_bytes(obj.read_bytes()[18:20], "little") # e_machine of an ELF file
        prefix, self.meant_for, self.beyond = MACHINES[number]
        self.prefix = prefix if shutil.which(prefix + "objdump") else ""

    def word_for(self, source):
        return self.meant_for.get(source) or self.meant_for.get(source.rpartition("/")[0])

    def instructions_beyond(self, obj):
        """The functions of an object that hold such instructions, with the first of each."""
        found, function = {}, "?"
        for line in output(self.prefix + "objdump", "-d", "-C", "--no-show-raw-insn", str(obj)).splitlines():
            if hit := FUNCTION.match(line):
                function = hit[1]
                continue
            instruction = line.partition(":")[2].strip()
            if function not in found and self.beyond.search(instruction):
                found[function] = instruction
        return found

    def weak_functions(self, obj):
        for line in output(self.prefix + "nm", "-C", "--defined-only", str(obj)).splitlines():
            kind, _, name = line.partition(" ")[2].partition(" ")
            if kind == "W":
                yield name


def offences(build, strict):
    objects = sorted(o for part in ("runtime", "schema", "actors", "cli") for o in (build / part).rglob("*.o"))
    if not objects:
        yield f"no objects below {build}"
        return
    made_for = machine(objects[0])
    seen = collections.Counter()
    for obj in objects:
        name = obj.relative_to(build)
        word = None if strict else made_for.word_for(source_of(name))
        seen[word] += 1
        if word is None:
            for function, instruction in made_for.instructions_beyond(obj).items():
                yield f"{name}: {function}: {instruction}"
            continue
        for function in made_for.weak_functions(obj):
            if word not in function:
                yield f"{name}: emits {function}, which code for every processor may get linked"
    for word in () if strict else made_for.meant_for.values():
        if seen[word] == 0:
            yield f"no object for {word} below {build}: nothing was checked"
    if seen[None] == 0:
        yield f"no objects for every processor below {build}"


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
