"""Writes a .safetensors file in BF16: u64 header length, JSON header {name: dtype, shape, data_offsets}, raw data."""
import json
import struct


def write_bf16(path, tensors):
    """tensors: {name: torch tensor whose values BF16 holds exactly}."""
    header, blobs, at = {}, [], 0
    for name, tensor in tensors.items():
        blob = (tensor.contiguous().numpy().view("<u4") >> 16).astype("<u2").tobytes()
        header[name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))
