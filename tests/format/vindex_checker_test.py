#!/usr/bin/env python3
"""What `larql extract --quant q4k` writes is what docs/vindex-format.md says, and the checker of that would notice if not.

    vindex_checker_test.py LARQL GOLDEN_DIRECTORY
"""
import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

import sparse_model
from vindex_checker import Checker

LARQL, GOLDEN = sys.argv.pop(1), pathlib.Path(sys.argv.pop(1))


def larql(*words):
    return subprocess.run([LARQL, *map(str, words)], check=True, capture_output=True, text=True).stdout


class OnDisk(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="larql-format-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.vindex = self.dir / "x.vindex"

    def extract(self, source):
        larql("extract", source, "-o", self.vindex, "--quant", "q4k")
        return self.vindex


class Written(OnDisk):
    def test_ggufs_of_every_encoding_become_what_the_format_says(self):
        sources = sorted(GOLDEN.glob("*.gguf"))
        self.assertGreaterEqual(len(sources), 4)
        for source in sources:
            with self.subTest(source.name):
                checker = Checker(self.extract(source))
                self.assertEqual(checker.run(), [])
                self.assertIn(checker.weights_digest(), larql("inspect", self.vindex))
                shutil.rmtree(self.vindex)

    def test_so_does_a_checkpoint_of_safetensors(self):
        sparse_model.write_hf(self.dir / "hf", sparse_model.Shape(layers=2, experts=4, hidden=256, expert_width=160, vocab=512))
        self.assertEqual(Checker(self.extract(self.dir / "hf")).run(), [])

    def test_the_example_of_the_description_is_right(self):
        # "gate_up at 88, 2,230,272 bytes; down at 2,230,360, 1,216,512 bytes; the second expert at 3,446,872"
        shape = sparse_model.Shape(layers=1, experts=2, hidden=2816, expert_width=704, vocab=320)
        sparse_model.write_hf(self.dir / "hf", shape)
        head = (self.extract(self.dir / "hf") / "layers/layer_00.weights").read_bytes()[:88]
        self.assertEqual(head[:24].hex(" "), "4c 59 52 57 01 00 00 00 04 00 00 00 02 00 00 00 c0 02 00 00 00 0b 00 00")
        self.assertEqual(struct.unpack_from("<5Q", head, 24), (88, 2230272, 2230360, 1216512, 3446872))


class Damaged(OnDisk):
    def setUp(self):
        super().setUp()
        self.extract(GOLDEN / "tiny-Q4_K_M.gguf")

    def complaints(self):
        return "\n".join(Checker(self.vindex).run())

    def patch(self, name, at, data):
        with open(self.vindex / name, "r+b") as f:
            f.seek(at)
            f.write(data)

    def edit(self, name, change):
        path = self.vindex / name
        value = json.loads(path.read_text())
        change(value)
        path.write_text(json.dumps(value))

    def test_a_damaged_layer_file_is_noticed(self):
        for at, data, expected in [(0, b"LYRX", "magic"), (4, b"\2", "version"), (8, b"\5", "format"), (12, b"\7", "experts"),
                                   (24, b"\1", "is not within the data|overlap"), (32, b"\0\0", "bytes"),
                                   (24 + 8 * 32, b"\xff\xff", "a scale is NaN"), (3000, b"?!", "SHA-256")]:
            with self.subTest(at=at):
                shutil.rmtree(self.vindex)
                self.extract(GOLDEN / "tiny-Q4_K_M.gguf")
                self.patch("layers/layer_01.weights", at, data)
                self.assertRegex(self.complaints(), expected)

    def test_damaged_descriptions_are_noticed(self):
        def second(field, value):
            return lambda entries: entries[1].__setitem__(field, value)
        for name, change, expected in [
                ("index.json", lambda x: x.pop("num_layers"), "num_layers"),
                ("index.json", lambda x: x.update(hidden_size=512), "expected"),
                ("attn_weights_q4k_manifest.json", second("key", "layers.0.self_attn.v_proj.weight"), "key is"),
                ("attn_weights_q4k_manifest.json", second("offset", 0), "overlaps"),
                ("interleaved_q4k_manifest.json", second("length", 144), "length is 144"),
                ("interleaved_q4k_manifest.json", second("format", "Q6_K"), "format is Q6_K"),
                ("weight_manifest.json", lambda x: x.pop(), "norms.bin has no"),
                ("weight_manifest.json", second("offset", 2), "modulo 4")]:
            with self.subTest(name=name, expected=expected):
                before = (self.vindex / name).read_text()
                self.edit(name, change)
                self.assertRegex(self.complaints(), re.escape(expected))
                (self.vindex / name).write_text(before)
        self.assertEqual(self.complaints(), "")


if __name__ == "__main__":
    unittest.main()
