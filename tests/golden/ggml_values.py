#!/usr/bin/env python3
"""What ggml makes of blocks: prints ggml-values.txt, with llama.cpp's python package (Debian: python3-gguf).

    ggml_values.py > ggml-values.txt

A line for each type: its name and the SHA-256 of the floats of 256 blocks of pseudo-random bytes, scales kept finite.
tests/runtime/quant/ggml_values_test.cpp makes the same blocks. Zeros have no sign: of 32-bit blocks ours have none.
"""
import hashlib

import gguf
import numpy

# name -> bytes where half-precision numbers stand
HALVES = {"Q8_0": [0], "Q4_0": [0], "Q5_0": [0], "Q5_1": [0, 2], "IQ4_NL": [0], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
          "Q4_1": [0, 2], "IQ4_XS": [0], "Q3_K": [108], "Q2_K": [80, 82], "MXFP4": [], "IQ3_S": [0], "IQ3_XXS": [0],
          "IQ2_S": [0], "IQ2_XS": [0], "IQ2_XXS": [0]}
BLOCKS = 256
MASK = (1 << 64) - 1


def splitmix64(state):
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield z ^ (z >> 31)


def main():
    for name, halves in HALVES.items():
        kind = gguf.GGMLQuantizationType[name]
        size = gguf.GGML_QUANT_SIZES[kind][1]
        numbers = splitmix64(int(kind))
        data = bytearray(next(numbers) & 255 for _ in range(BLOCKS * size))
        for block in range(BLOCKS):
            for at in halves:
                high = block * size + at + 1
                if data[high] & 0x7C == 0x7C:
                    data[high] &= 0xBF
            if name == "MXFP4" and data[block * size] == 255:  # NaN in its specification, not for ggml
                data[block * size] = 254
        values = gguf.quants.dequantize(numpy.frombuffer(bytes(data), numpy.uint8).reshape(-1, size), kind)
        print(name, hashlib.sha256((values.astype(numpy.float32) + numpy.float32(0)).tobytes()).hexdigest())


if __name__ == "__main__":
    main()
