#!/usr/bin/env python3
"""Fails when a source file includes a folder that its own folder may not see.

    layers.py [ROOT]        exit 0 when clean; 1 with one line per offence
"""
import pathlib
import re
import sys

# folder -> what it may include beside itself. The longest match wins; a folder that is not listed is an offence.
ALLOWED = {
    "runtime/base": [],
    "runtime/quant": ["runtime/base"],
    "runtime/kernels": ["runtime/base", "runtime/quant"],
    "runtime/kernels/ref": ["runtime/base", "runtime/quant", "runtime/kernels"],
    "runtime/kernels/avx2": ["runtime/base", "runtime/quant", "runtime/kernels"],
    "runtime/kernels/avxvnni": ["runtime/base", "runtime/quant", "runtime/kernels", "runtime/kernels/avx2"],
    "runtime/kernels/avx512": ["runtime/base", "runtime/quant", "runtime/kernels"],
    "runtime/kernels/neon": ["runtime/base", "runtime/quant", "runtime/kernels"],
    "runtime/text": ["runtime/base"],
    "runtime/grammar": ["runtime/base", "runtime/text"],
    "runtime/vindex": ["runtime/base", "runtime/quant"],
    "runtime/vindex/package": ["runtime/base", "runtime/quant", "runtime/vindex"],
    "runtime/import": ["runtime/base", "runtime/quant", "runtime/text", "runtime/vindex", "runtime/vindex/package"],
    "runtime/experts": ["runtime/base", "runtime/quant", "runtime/kernels", "runtime/vindex"],
    "runtime/topology": ["runtime/base", "runtime/quant", "runtime/experts"],
    "runtime/models/gemma4": ["runtime/base", "runtime/quant", "runtime/kernels", "runtime/vindex", "runtime/experts"],
    "runtime/generate": ["runtime/base", "runtime/quant", "runtime/kernels", "runtime/experts", "runtime/models",
                         "runtime/text", "runtime/grammar"],
    "runtime/speculation": ["runtime/base", "runtime/kernels", "runtime/experts", "runtime/models", "runtime/generate"],
    "runtime/hub": ["runtime/base", "runtime/vindex", "runtime/vindex/package", "runtime/experts", "runtime/import"],
    "schema": ["runtime"],
    # Rooms by the process that runs them: laptop, node and admin do not see each other. What calls nodes is
    # shared by those that do.
    "actors/core": ["schema", "runtime"],
    "actors/policy": ["schema", "runtime"],
    "actors/net": ["actors/core", "schema", "runtime"],
    "actors/calls": ["actors/core", "actors/net", "actors/policy", "schema", "runtime"],
    # Where a session's passes run is a choice: laptop and node both know its service.
    "actors/laptop": ["actors/core", "actors/net", "actors/policy", "actors/calls", "actors/session", "schema", "runtime"],
    "actors/node": ["actors/core", "actors/net", "actors/policy", "actors/calls", "actors/session", "schema", "runtime"],
    "actors/session": ["actors/core", "actors/policy", "schema", "runtime"],
    "actors/admin": ["actors/core", "actors/net", "actors/policy", "schema", "runtime"],
    "cli/support": ["actors/core", "actors/net", "schema", "runtime"],
    "cli/laptop": ["cli/support", "cli/serve/api", "cli/serve/page", "cli/serve/server", "actors/core", "actors/net", "actors/policy",
                   "actors/laptop", "actors/session", "actors/admin", "schema", "runtime"],
    # Protocols are pure: they know no HTTP server and no actor.
    "cli/serve/api": ["runtime"],
    "cli/serve/openai": ["cli/serve/api", "runtime"],
    "cli/serve/anthropic": ["cli/serve/api", "cli/serve/openai", "runtime"],
    "cli/serve/ollama": ["cli/serve/api", "cli/serve/openai", "runtime"],
    "cli/serve/page": ["cli/serve/api", "cli/serve/openai", "actors/net", "runtime"],
    "cli/serve/server": ["cli/serve/api", "cli/serve/openai", "cli/serve/anthropic", "cli/serve/ollama", "cli/serve/page", "cli/support",
                         "actors/core", "actors/net", "actors/session", "schema", "runtime"],
    # A node that holds sessions asks other nodes for experts as a laptop does.
    "cli/node": ["cli/support", "actors/core", "actors/net", "actors/policy", "actors/node", "actors/session",
                 "actors/laptop", "schema", "runtime"],
    "tests": ["cli", "actors", "schema", "runtime"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
# Libraries that only one place may know (the adapter that turns their exceptions into values).
ADAPTERS = {
    "capnp/": ["schema/"],
    "kj/": ["schema/"],
    "nlohmann/": ["runtime/base/json.hpp", "tests/"],
    "simdjson": ["runtime/text/", "tests/"],
    "toml++/": ["runtime/topology/toml_table.cpp"],
    "openssl/": ["runtime/base/sha256.cpp", "runtime/hub/git_blob.cpp", "actors/net/", "tests/"],
    "curl/": ["runtime/hub/"],
    "microhttpd": ["actors/net/http_"],
    "prometheus/": ["cli/node/metrics.cpp", "cli/serve/server/serve_metrics.cpp", "tests/cli/"],
    "caf/": ["actors/", "cli/", "tests/"],
    "CLI/": ["cli/support/command_parser.cpp"],
}
SYSTEM_INCLUDE = re.compile(r"^\s*#\s*include\s+<([^>]+)>")


def folder_of(path):
    hits = [k for k in ALLOWED if path.startswith(k + "/")]
    return max(hits, key=len, default=None)


def inside(folder, allowed):
    """An allowed folder that is in ALLOWED itself stands for its own files; another, for all below it."""
    return folder == allowed or (allowed not in ALLOWED and folder.startswith(allowed + "/"))


def offences(path, text):
    mine = folder_of(path)
    if mine is None:
        yield 1, "stands in a folder that tests/lint/layers.py does not know"
        return
    for number, line in enumerate(text.splitlines(), 1):
        if hit := INCLUDE.match(line):
            other = folder_of(hit[1])
            if "/" not in hit[1] or (other is None and not hit[1].endswith(".capnp.h")):
                yield number, f'"{hit[1]}" is not root-relative'
            elif other is not None and other != mine and not any(inside(other, folder) for folder in ALLOWED[mine]):
                yield number, f"{mine} must not include {hit[1]}"
        elif hit := SYSTEM_INCLUDE.match(line):
            for prefix, places in ADAPTERS.items():
                if hit[1].startswith(prefix) and not any(path.startswith(p) for p in places):
                    yield number, f"<{hit[1]}> belongs to {', '.join(places)}"


def main(root):
    bad = 0
    for folder in ("runtime", "schema", "actors", "cli", "tests"):
        for file in sorted((root / folder).rglob("*.[ch]pp")):
            path = file.relative_to(root).as_posix()
            for number, what in offences(path, file.read_text()):
                print(f"{path}:{number}: {what}")
                bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
