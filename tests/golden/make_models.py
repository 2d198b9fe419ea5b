#!/usr/bin/env python3
"""Makes the golden models that are too large to store: tiny-F32.gguf, tiny-BF16.gguf and tiny-Q8_0.gguf.

    make_models.py OUTPUT_DIRECTORY

The weights come from numpy's PCG64 stream with a fixed seed, drawn in the order that the generator of the stored models
drew them. numpy computes the rare values beyond 3.654 deviations with the C library's log1pf, whose last bit differs between
versions; those values are taken from tiny-F32.tails.f32 instead. A SHA-256 over all tensors is compared with that of the files
that llama.cpp computed the stored results from; a difference is an error. Needs python3-numpy.
"""
import hashlib
import pathlib
import struct
import sys

import numpy as np

LAYERS, PERIOD, HIDDEN, VOCAB, WINDOW = 6, 3, 256, 512, 16
HEADS, KV, KV_FULL, DIM, DIM_FULL = 4, 2, 1, 64, 128
DENSE, EXPERTS, TOP_K, EXPERT_WIDTH = 160, 8, 3, 96
SEED, CONTEXT, ROTARY, SOFTCAP, OUT_SCALE = 11, 4096, 0.25, 30.0, 2.5

# Where numpy's table of the normal distribution ends and its tail begins.
ZIGGURAT_END = np.float32(3.6541528853610088)

# ggml type codes and metadata types of GGUF.
F32, BF16, Q8_0 = 0, 30, 8
U32, I32, FLOAT, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9

# SHA-256 over every tensor in order of names: name, then data.
DIGESTS = {
    "F32": "2a6af19b240588bfd81e13ecc2eec0fbf66822f2e4ecdab0fd2b20416a9a8430",
    "BF16": "726c2324e05d3467a161cc0d0bafb7f4db909c3c65558bfd83361e644f62c026",
    "Q8_0": "7e40ca8fc4ded66559f0b018ed87f214b6f49740961e7ba4dcfe8c590ba13306",
}


def make_tensors():
    """name -> float32 array, in the order of the random stream."""
    random, out = np.random.default_rng(SEED), {}
    tails = np.fromfile(pathlib.Path(__file__).with_name("tiny-F32.tails.f32"), "<f4")

    def normal(shape):
        nonlocal tails
        x = random.standard_normal(shape, dtype=np.float32)
        tail = np.abs(x) > ZIGGURAT_END
        n = np.count_nonzero(tail)
        x[tail], tails = tails[:n], tails[n:]
        return x

    def matrix(name, *shape):
        out[name] = normal(shape) * np.float32(shape[-1]**-0.5)

    def vector(name, n, mean=1.0, deviation=0.2):
        out[name] = (mean + deviation * random.standard_normal(n)).astype(np.float32)

    matrix("token_embd.weight", VOCAB, HIDDEN)
    vector("output_norm.weight", HIDDEN, mean=OUT_SCALE, deviation=0.1 * OUT_SCALE)
    rotated = int(ROTARY * DIM_FULL) // 2
    out["rope_freqs.weight"] = np.array([1.0] * rotated + [1e30] * (DIM_FULL // 2 - rotated), np.float32)
    for l in range(LAYERS):
        full = is_full(l)
        dim, kv, p = DIM_FULL if full else DIM, KV_FULL if full else KV, f"blk.{l}."
        vector(p + "attn_norm.weight", HIDDEN)
        matrix(p + "attn_q.weight", HEADS * dim, HIDDEN)
        matrix(p + "attn_k.weight", kv * dim, HIDDEN)
        if not full:
            matrix(p + "attn_v.weight", kv * dim, HIDDEN)
        matrix(p + "attn_output.weight", HIDDEN, HEADS * dim)
        vector(p + "attn_q_norm.weight", dim)
        vector(p + "attn_k_norm.weight", dim, mean=0.12, deviation=0.1 * 0.12)
        vector(p + "post_attention_norm.weight", HIDDEN)
        out[p + "layer_output_scale.weight"] = np.array([0.5 + 0.5 * random.random()], np.float32)
        vector(p + "ffn_norm.weight", HIDDEN)
        matrix(p + "ffn_gate.weight", DENSE, HIDDEN)
        matrix(p + "ffn_up.weight", DENSE, HIDDEN)
        matrix(p + "ffn_down.weight", HIDDEN, DENSE)
        vector(p + "post_ffw_norm.weight", HIDDEN)
        out[p + "ffn_gate_inp.weight"] = normal((EXPERTS, HIDDEN)) * 2
        vector(p + "ffn_gate_inp.scale", HIDDEN)
        for name in ("pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2"):
            vector(p + name + ".weight", HIDDEN)
        matrix(p + "ffn_gate_up_exps.weight", EXPERTS, 2 * EXPERT_WIDTH, HIDDEN)
        matrix(p + "ffn_down_exps.weight", EXPERTS, HIDDEN, EXPERT_WIDTH)
        out[p + "ffn_down_exps.scale"] = (0.5 + random.random(EXPERTS)).astype(np.float32)
    return out


def is_full(layer):
    return layer % PERIOD == PERIOD - 1 or layer == LAYERS - 1


def metadata():
    full = [is_full(l) for l in range(LAYERS)]
    g = "gemma4."
    return {
        "general.architecture": (STRING, "gemma4"),
        "general.name": (STRING, "synthetic-gemma4"),
        g + "context_length": (U32, CONTEXT),
        g + "embedding_length": (U32, HIDDEN),
        g + "block_count": (U32, LAYERS),
        g + "feed_forward_length": (U32, DENSE),
        g + "attention.head_count": (U32, HEADS),
        g + "attention.head_count_kv": ([I32], [KV_FULL if f else KV for f in full]),
        g + "attention.layer_norm_rms_epsilon": (FLOAT, 1e-6),
        g + "rope.freq_base": (FLOAT, 1000000.0),
        g + "rope.freq_base_swa": (FLOAT, 10000.0),
        g + "rope.dimension_count": (U32, DIM_FULL),
        g + "rope.dimension_count_swa": (U32, DIM),
        g + "attention.sliding_window": (U32, WINDOW),
        g + "attention.sliding_window_pattern": ([BOOL], [not f for f in full]),
        g + "attention.key_length": (U32, DIM_FULL),
        g + "attention.value_length": (U32, DIM_FULL),
        g + "attention.key_length_swa": (U32, DIM),
        g + "attention.value_length_swa": (U32, DIM),
        g + "attention.shared_kv_layers": (U32, 0),
        g + "embedding_length_per_layer_input": (U32, 0),
        g + "expert_count": (U32, EXPERTS),
        g + "expert_used_count": (U32, TOP_K),
        g + "expert_feed_forward_length": (U32, EXPERT_WIDTH),
        g + "final_logit_softcapping": (FLOAT, SOFTCAP),
        g + "vocab_size": (U32, VOCAB),
        "tokenizer.ggml.model": (STRING, "none"),
    }


# ---- encodings -------------------------------------------------------------------------------------------------------


def to_bf16(x):
    """Round to nearest, ties to even."""
    bits = x.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def to_q8_0(x):
    """Blocks of an f16 scale d = max|x| / 127 and 32 bytes round(x / d), halves away from zero, as ggml's reference."""
    x = x.reshape(-1, 32)
    d = np.abs(x).max(-1, keepdims=True) / np.float32(127)
    with np.errstate(divide="ignore"):
        scaled = x * np.where(d > 0, np.float32(1) / d, np.float32(0))
    blocks = np.empty(len(x), np.dtype([("d", "<f2"), ("q", "i1", 32)]))
    blocks["d"], blocks["q"] = d[:, 0], np.trunc(scaled + np.copysign(np.float32(0.5), scaled))
    return blocks.tobytes()


ENCODERS = {F32: lambda x: x.astype("<f4").tobytes(), BF16: to_bf16, Q8_0: to_q8_0}


def is_weight_matrix(name):
    """What llama.cpp quantises: every matrix but the routers."""
    return name.endswith(".weight") and not name.endswith("ffn_gate_inp.weight") and "norm" not in name and \
        "rope" not in name and "scale" not in name


# ---- GGUF ------------------------------------------------------------------------------------------------------------


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def value(kind, x):
    if kind == STRING:
        return string(x)
    return struct.pack({U32: "<I", I32: "<i", FLOAT: "<f", BOOL: "<?"}[kind], x)


def write_gguf(path, keys, tensors):
    """tensors: {name: (ggml type, shape, bytes)}"""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    for key, (kind, x) in keys.items():
        head += string(key)
        if isinstance(kind, list):
            head += struct.pack("<IIQ", ARRAY, kind[0], len(x)) + b"".join(value(kind[0], v) for v in x)
        else:
            head += struct.pack("<I", kind) + value(kind, x)
    body = bytearray()
    for name, (kind, shape, data) in tensors.items():
        head += string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape[::-1], kind, len(body))
        body += data + bytes(-len(data) % 32)
    path.write_bytes(head + bytes(-len(head) % 32) + body)


def digest(tensors):
    hash = hashlib.sha256()
    for name in sorted(tensors):
        hash.update(name.encode())
        hash.update(tensors[name][2])
    return hash.hexdigest()


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    arrays = make_tensors()
    for label, kind in (("F32", F32), ("BF16", BF16), ("Q8_0", Q8_0)):
        tensors = {}
        for name, x in arrays.items():
            own = kind if is_weight_matrix(name) else F32
            tensors[name] = (own, x.shape, ENCODERS[own](x))
        if digest(tensors) != DIGESTS[label]:
            sys.exit(f"make_models.py: tiny-{label} has digest {digest(tensors)}, expected {DIGESTS[label]}")
        write_gguf(out / f"tiny-{label}.gguf", metadata(), tensors)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
