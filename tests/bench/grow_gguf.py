#!/usr/bin/env python3
"""Makes a GGUF of the size of a real model out of a small one, for measuring speed: its layers are repeated, and so are its
experts, whose router gets random numbers, so that all are chosen alike.

    grow_gguf.py IN OUT LAYERS EXPERTS

LAYERS and EXPERTS are multiples of what IN has. Bytes of tensors are copied, whatever their type. Needs python3-gguf.
"""
import sys

import gguf
import numpy

PER_LAYER = "blk."


def numbers(fields):
    return {name.split(".", 1)[1]: f.contents() for name, f in fields.items() if name.startswith("gemma4.")}


def copy_fields(reader, writer, repeats, replaced):
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        kind, value = field.types[0], replaced.get(name, field.contents())
        if kind == gguf.GGUFValueType.ARRAY:
            per_layer = name.startswith("gemma4.")
            writer.add_array(name, list(value) * (repeats if per_layer else 1))
        else:
            writer.add_key_value(name, value, kind)


def tensors_of(reader, repeats, layers, copies):
    """(name, bytes, type) of the tensors of the large file."""
    rng = numpy.random.default_rng(1)
    for r in range(repeats):
        for t in reader.tensors:
            data, name = t.data, t.name
            if not name.startswith(PER_LAYER):
                if r == 0:
                    yield name, data, t.tensor_type
                continue
            _, number, rest = name.split(".", 2)
            if "ffn_gate_inp.weight" in rest:
                data = rng.standard_normal((data.shape[0] * copies, data.shape[1]), dtype=numpy.float32) * data.std()
            elif "_exps" in rest:
                data = numpy.concatenate([data] * copies)
            yield f"{PER_LAYER}{int(number) + r * layers}.{rest}", data, t.tensor_type


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    reader = gguf.GGUFReader(sys.argv[1])
    now = numbers(reader.fields)
    layers, experts = now["block_count"], now["expert_count"]
    wanted_layers, wanted_experts = map(int, sys.argv[3:])
    if wanted_layers % layers or wanted_experts % experts:
        sys.exit(f"grow_gguf.py: {sys.argv[1]} has {layers} layers and {experts} experts")
    repeats, copies = wanted_layers // layers, wanted_experts // experts
    writer = gguf.GGUFWriter(sys.argv[2], "gemma4")
    copy_fields(reader, writer, repeats, {"gemma4.block_count": wanted_layers, "gemma4.expert_count": wanted_experts})
    for name, data, kind in tensors_of(reader, repeats, layers, copies):
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
