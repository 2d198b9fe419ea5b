"""Writes and reads GGUF version 3 with F32 and Q8_0 tensors; as much of the format as the demo model needs.

Q8_0: blocks of 32 values, one f16 scale d = max|x| / 127 and 32 signed bytes round(x / d).
"""
import struct

import numpy as np

F32, Q8_0 = 0, 8
ALIGNMENT = 32
BLOCK = np.dtype([("d", "<f2"), ("q", "i1", 32)])
U32, I32, FLOAT, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
PACK = {U32: "<I", I32: "<i", FLOAT: "<f", BOOL: "<?"}


def quantise(x):
    """float array [..., 32n] -> array of BLOCK [..., n]; rounds like ggml: half away from zero, before d goes to f16."""
    x = np.asarray(x, np.float32).reshape(*x.shape[:-1], -1, 32)
    d = np.abs(x).max(-1, keepdims=True) / np.float32(127)
    with np.errstate(divide="ignore"):
        scaled = x * np.where(d > 0, np.float32(1) / d, np.float32(0))
    out = np.empty(x.shape[:-1], BLOCK)
    out["d"], out["q"] = d[..., 0], np.trunc(scaled + np.copysign(np.float32(0.5), scaled))
    return out


def dequantise(blocks):
    x = blocks["q"].astype(np.float32) * blocks["d"].astype(np.float32)[..., None]
    return x.reshape(*x.shape[:-2], -1)


def _string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(kind, value):
    return _string(value) if kind == STRING else struct.pack(PACK[kind], value)


def write(path, metadata, tensors):
    """metadata: {key: (type, value) or ([type], values)}; tensors: {name: float32 array or array of BLOCK}."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, (kind, value) in metadata.items():
        head += _string(key)
        if isinstance(kind, list):
            head += struct.pack("<IIQ", ARRAY, kind[0], len(value)) + b"".join(_value(kind[0], v) for v in value)
        else:
            head += struct.pack("<I", kind) + _value(kind, value)
    body = b""
    for name, array in tensors.items():
        quantised = array.dtype == BLOCK
        shape = (*array.shape[:-1], array.shape[-1] * 32) if quantised else array.shape
        head += _string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape[::-1],
                                            Q8_0 if quantised else F32, len(body))
        data = array.tobytes()
        body += data + bytes(-len(data) % ALIGNMENT)
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % ALIGNMENT) + body)


class Reader:
    """`metadata` {key: value}; `tensors` {name: float32 array, dequantised}, rows first."""

    def __init__(self, path):
        self.data, self.at = open(path, "rb").read(), 4
        assert self.data[:4] == b"GGUF" and self.take("<I") == 3
        n_tensors, n_keys = self.take("<Q"), self.take("<Q")
        self.metadata = {self.text(): self.value(self.take("<I")) for _ in range(n_keys)}
        infos = [(self.text(), [self.take("<Q") for _ in range(self.take("<I"))], self.take("<I"), self.take("<Q"))
                 for _ in range(n_tensors)]
        base = self.at + -self.at % ALIGNMENT
        self.tensors = {name: self.tensor(base + offset, shape[::-1], kind) for name, shape, kind, offset in infos}

    def take(self, form):
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def text(self):
        size = self.take("<Q")
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def value(self, kind):
        if kind == ARRAY:
            kind, count = self.take("<I"), self.take("<Q")
            return [self.value(kind) for _ in range(count)]
        return self.text() if kind == STRING else self.take(PACK[kind])

    def tensor(self, offset, shape, kind):
        if kind == F32:
            return np.frombuffer(self.data, "<f4", int(np.prod(shape)), offset).reshape(shape)
        blocks = np.frombuffer(self.data, BLOCK, int(np.prod(shape)) // 32, offset)
        return dequantise(blocks.reshape(*shape[:-1], -1))
