"""What kinds of GGUF with few bits want to be made with, for the scripts beside this file."""
import array
import pathlib
import struct

HEAD = 1 << 26  # bytes in which names and shapes of tensors end


def tensors_of(path):
    """Names and dimensions in a GGUF file."""
    data = pathlib.Path(path).read_bytes()[:HEAD]
    at = 24
    count, pairs = struct.unpack_from("<QQ", data, 8)
    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

    def number(form):
        nonlocal at
        value = struct.unpack_from("<" + form, data, at)[0]
        at += struct.calcsize("<" + form)
        return value

    def text():
        nonlocal at
        n = number("Q")
        at += n
        return data[at - n:at].decode()

    def skip(kind):
        nonlocal at
        if kind == 8:
            text()
        elif kind == 9:
            element, n = number("I"), number("Q")
            for _ in range(n):
                skip(element)
        else:
            at += sizes[kind]

    for _ in range(pairs):
        text()
        skip(number("I"))
    out = []
    for _ in range(count):
        name = text()
        dims = [number("Q") for _ in range(number("I"))]
        number("I"), number("Q")
        out.append((name, dims))
    return out


def write_matrix_of_ones(path, gguf):
    """An importance matrix for a GGUF that weighs every column alike, in llama.cpp's older format."""
    entries = [(name, dims) for name, dims in tensors_of(gguf) if name.endswith(".weight") and len(dims) > 1]
    with open(path, "wb") as f:
        f.write(struct.pack("<i", len(entries)))
        for name, dims in entries:
            values = dims[0] * (dims[2] if len(dims) > 2 else 1)
            f.write(struct.pack("<i", len(name)) + name.encode() + struct.pack("<ii", 1, values))
            f.write(array.array("f", [1.0] * values).tobytes())
        f.write(struct.pack("<i", 1) + struct.pack("<i", 4) + b"ones")
