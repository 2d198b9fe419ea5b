#!/usr/bin/env python3
"""`larql extract` needs the same memory whatever the model's size: eight times the model, no more than some megabytes more.

    extract_memory_test.py LARQL

What counts is all that was resident at once, pages of the source included (ru_maxrss).
"""
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

import sparse_model

LARQL = sys.argv.pop(1)
SMALL, LARGE = sparse_model.Shape(layers=1, experts=8), sparse_model.Shape(layers=2, experts=32)
MEGA = 1 << 20
# Buffers of threads, tables and the program itself; what a large model may add, for its longer tables.
BOUND, GROWTH = 128 * MEGA, 16 * MEGA


def peak_bytes(*command):
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, command
    return usage.ru_maxrss * 1024


class Memory(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="larql-memory-"))
        self.addCleanup(shutil.rmtree, self.dir)

    def expect_bounded(self, write, *options):
        peaks = []
        for name, shape in ("small", SMALL), ("large", LARGE):
            size = write(self.dir / name, shape)
            peaks.append(peak_bytes(LARQL, "extract", str(self.dir / name), "-o", str(self.dir / "out"), *options))
            print(f"{name} {options}: {size / MEGA:.0f} MB of tensors, at most {peaks[-1] / MEGA:.0f} MB resident", file=sys.stderr)
            shutil.rmtree(self.dir / "out")
        self.assertLess(peaks[1], BOUND)
        self.assertLess(peaks[1] - peaks[0], GROWTH)
        self.assertGreater(size, BOUND)  # else it would prove nothing

    def test_a_gguf_as_it_is(self):
        self.expect_bounded(sparse_model.write_gguf, "--quant", "lossless")

    def test_a_gguf_encoded_anew(self):
        self.expect_bounded(sparse_model.write_gguf, "--quant", "q4k")

    def test_safetensors(self):
        self.expect_bounded(sparse_model.write_hf)


if __name__ == "__main__":
    unittest.main()
