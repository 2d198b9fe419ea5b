#!/usr/bin/env python3
"""The structure of a vindex in the reference's encoding (index.json: quant "q4k"), checked from the description of the format
(docs/vindex-format.md) alone: no line of this knows how larql reads or writes one.

    vindex_checker.py DIRECTORY         prints what is wrong; exit code 1 if something is
"""
import hashlib
import json
import math
import pathlib
import struct
import sys

# name -> (weights, bytes) of a block
BLOCKS = {"F32": (1, 4), "F16": (1, 2), "BF16": (1, 2), "Q4_0": (32, 18), "Q8_0": (32, 34), "Q5_0": (32, 22), "Q5_1": (32, 24),
          "IQ4_NL": (32, 18), "Q4_K": (256, 144), "Q5_K": (256, 176), "Q6_K": (256, 210), "Q4_1": (32, 20), "IQ4_XS": (256, 136),
          "Q3_K": (256, 110), "Q2_K": (256, 84), "MXFP4": (32, 17), "IQ3_S": (256, 110), "IQ3_XXS": (256, 98),
          "IQ2_S": (256, 82), "IQ2_XS": (256, 74), "IQ2_XXS": (256, 66)}
CODES = {0: "F32", 1: "F16", 2: "BF16", 3: "Q4_0", 4: "Q4_K", 5: "Q6_K", 6: "Q8_0"}
KNOWN_FILES = {"index.json", "weight_manifest.json", "norms.bin", "attn_weights_q4k_manifest.json", "attn_weights_q4k.bin",
               "interleaved_q4k_manifest.json", "interleaved_q4k.bin", "embeddings.bin", "lm_head_q4.bin", "tokenizer.json",
               "chat_template.jinja", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json",
               "checksums.json"}


def padded(n, block):
    return -(-n // block) * block


class Checker:
    def __init__(self, directory):
        self.dir, self.wrong = pathlib.Path(directory), []

    def expect(self, condition, text):
        if not condition:
            self.wrong.append(text)
        return condition

    def same(self, what, found, expected):
        return self.expect(found == expected, f"{what} is {found}, expected {expected}")

    def json(self, name):
        return json.loads((self.dir / name).read_text())

    def bytes(self, name):
        return (self.dir / name).read_bytes()

    def run(self):
        try:
            self.index()
            self.vectors()
            self.attention()
            self.dense()
            self.embeddings()
            for layer in range(self.layers):
                self.layer_file(layer)
            self.file_names()
            self.checksums()
        except (KeyError, TypeError, ValueError, OSError, struct.error) as e:
            self.wrong.append(f"{type(e).__name__}: {e}")
        return self.wrong

    # ---- index.json --------------------------------------------------------------------------------

    def index(self):
        top = self.json("index.json")
        config = top["model_config"]
        moe = config["moe"]
        self.same("version", top["version"], 2)
        self.same("family", top["family"], "gemma4")
        self.same("quant", top["quant"], "q4k")
        self.expect(isinstance(top["model"], str), "model is no text")
        self.layers, self.hidden, self.vocab = top["num_layers"], top["hidden_size"], top["vocab_size"]
        self.dense_width = top["intermediate_size"]
        self.expect(math.isclose(top["embed_scale"], math.sqrt(self.hidden), rel_tol=1e-6), "embed_scale is not √hidden")
        self.experts, self.width = moe["num_experts"], moe["moe_intermediate_size"]
        self.expect(1 <= moe["top_k"] <= self.experts, "top_k is not within the experts")
        self.q_heads, self.kv_heads, self.dim = config["num_q_heads"], config["num_kv_heads"], config["head_dim"]
        self.global_dim = config.get("global_head_dim", self.dim)
        self.global_kv = config.get("num_global_kv_heads", self.kv_heads)
        self.k_is_v = config.get("attention_k_eq_v", False)
        self.expect(self.dim % 16 == 0 and self.global_dim % 16 == 0, "head sizes are no multiples of 16")
        types = config.get("layer_types") or [
            "full_attention" if (l + 1) % config.get("sliding_window_pattern", 6) == 0 else "sliding_attention"
            for l in range(self.layers)]
        self.same("number of layer_types", len(types), self.layers)
        self.full = [t == "full_attention" for t in types]
        self.expect(set(types) <= {"full_attention", "sliding_attention"}, "layer_types has another type")
        self.expect(all(self.full) or config.get("sliding_window", 0) > 0, "a layer slides, but there is no window")

    # ---- vectors -----------------------------------------------------------------------------------

    def vectors(self):
        h = self.hidden
        lengths = {"norm.weight": h}
        optional = set()
        for l in range(self.layers):
            dim = self.global_dim if self.full[l] else self.dim
            for name, n in [("input_layernorm.weight", h), ("post_attention_layernorm.weight", h),
                            ("pre_feedforward_layernorm.weight", h), ("post_feedforward_layernorm_1.weight", h),
                            ("self_attn.q_norm.weight", dim), ("self_attn.k_norm.weight", dim), ("layer_scalar", 1),
                            ("router.proj.weight", self.experts * h), ("router.scale", h),
                            ("router.per_expert_scale", self.experts), ("pre_feedforward_layernorm_2.weight", h),
                            ("post_feedforward_layernorm_2.weight", h), ("post_feedforward_layernorm.weight", h)]:
                lengths[f"layers.{l}.{name}"] = n
            optional.add(f"layers.{l}.layer_scalar")
        data = self.bytes("norms.bin")
        seen = set()
        for entry in self.json("weight_manifest.json"):
            if entry["kind"] != "vector":
                continue
            key, begin, size = entry["key"], entry["offset"], entry["length"]
            seen.add(key)
            self.same(f"{key}: file", entry["file"], "norms.bin")
            self.same(f"{key}: offset modulo 4", begin % 4, 0)
            self.same(f"{key}: length", size, 4 * math.prod(entry["shape"]))
            if not self.expect(begin + size <= len(data), f"{key}: ends at {begin + size} of {len(data)} bytes"):
                continue
            if key in lengths:
                self.same(f"{key}: length", size, 4 * lengths[key])
            numbers = struct.unpack_from(f"<{size // 4}f", data, begin)
            self.expect(all(map(math.isfinite, numbers)), f"{key}: holds a NaN or an infinity")
        missing = sorted(set(lengths) - optional - seen)
        self.expect(not missing, f"norms.bin has no {', '.join(missing)}")

    # ---- matrices ----------------------------------------------------------------------------------

    def matrices(self, manifest, file, wanted, may_share):
        """`wanted`: (key, rows, columns, format), in order."""
        data, entries, spans = self.bytes(file), self.json(manifest), []
        self.same(f"{manifest}: entries", len(entries), len(wanted))
        for entry, (key, rows, columns, encoding) in zip(entries, wanted):
            what = f"{manifest}: {entry['key']}"
            self.same(f"{manifest}: key", entry["key"], key)
            weights, size = BLOCKS[entry["format"]]
            begin, length = entry["offset"], entry["length"]
            shares = (begin, begin + length) in spans and may_share(key)
            if not shares:
                self.same(f"{what}: format", entry["format"], encoding)
                self.expect(all(begin >= b or begin + length <= a for a, b in spans), f"{what}: overlaps another")
            self.same(f"{what}: shape", entry["shape"], [rows, padded(columns, weights)])
            self.same(f"{what}: length", length, rows * padded(columns, weights) // weights * size)
            if self.expect(begin + length <= len(data), f"{what}: ends at {begin + length} of {len(data)} bytes"):
                self.scales(what, data[begin:begin + length], entry["format"])
            spans.append((begin, begin + length))
        self.same(f"{file}: bytes", len(data), sum(b - a for a, b in set(spans)))

    def scales(self, what, data, encoding):
        """The f16 scales of super-blocks must be numbers."""
        size = BLOCKS[encoding][1]
        where = {"Q4_K": (0, 2), "Q6_K": (208,)}.get(encoding, ())
        for offset in where:
            picked = b"".join(data[at:at + 2] for at in range(offset, len(data), size))
            self.expect(all(map(math.isfinite, struct.unpack(f"<{len(picked) // 2}e", picked))),
                        f"{what}: a scale is NaN or infinite")

    def attention(self):
        wanted = []
        for l in range(self.layers):
            dim, kv = (self.global_dim, self.global_kv) if self.full[l] else (self.dim, self.kv_heads)
            p = f"layers.{l}.self_attn."
            wanted += [(p + "q_proj.weight", self.q_heads * dim, self.hidden, "Q4_K"),
                       (p + "k_proj.weight", kv * dim, self.hidden, "Q4_K"),
                       (p + "v_proj.weight", kv * dim, self.hidden, "Q6_K"),
                       (p + "o_proj.weight", self.hidden, self.q_heads * dim, "Q4_K")]
        self.matrices("attn_weights_q4k_manifest.json", "attn_weights_q4k.bin", wanted,
                      lambda key: self.k_is_v and ".v_proj." in key and self.full[int(key.split(".")[1])])

    def dense(self):
        wanted = []
        for l in range(self.layers):
            p = f"layers.{l}.mlp."
            wanted += [(p + "gate_proj.weight", self.dense_width, self.hidden, "Q4_K"),
                       (p + "up_proj.weight", self.dense_width, self.hidden, "Q4_K"),
                       (p + "down_proj.weight", self.hidden, self.dense_width, "Q6_K")]
        self.matrices("interleaved_q4k_manifest.json", "interleaved_q4k.bin", wanted, lambda key: False)

    def embeddings(self):
        size = (self.dir / "embeddings.bin").stat().st_size
        n = self.vocab * self.hidden
        self.expect(size in (2 * n, 4 * n), f"embeddings.bin has {size} bytes, expected {2 * n} or {4 * n}")
        if (self.dir / "lm_head_q4.bin").exists():
            data = self.bytes("lm_head_q4.bin")
            self.same("lm_head_q4.bin: bytes", len(data), self.vocab * padded(self.hidden, 256) // 256 * 144)
            self.scales("lm_head_q4.bin", data, "Q4_K")

    # ---- layer files -------------------------------------------------------------------------------

    def layer_file(self, layer):
        name = f"layers/layer_{layer:02}.weights"
        data = self.bytes(name)
        self.same(f"{name}: magic", data[:4], b"LYRW")
        version, code, experts, width, hidden = struct.unpack_from("<5I", data, 4)
        if not self.same(f"{name}: version", version, 1):
            return
        self.same(f"{name}: format", CODES.get(code), "Q4_K")
        self.same(f"{name}: experts", experts, self.experts)
        self.same(f"{name}: inner width", width, self.width)
        self.same(f"{name}: hidden size", hidden, self.hidden)
        gate_up = 2 * self.width * padded(self.hidden, 256) // 256 * 144
        down = self.hidden * padded(self.width, 256) // 256 * 144
        spans = []
        for e in range(experts):
            at = struct.unpack_from("<4Q", data, 24 + 32 * e)
            for (what, begin, size), expected in zip([("gate_up", *at[:2]), ("down", *at[2:])], (gate_up, down)):
                what = f"{name}: expert {e}: {what}"
                self.same(f"{what}: bytes", size, expected)
                if self.expect(24 + 32 * experts <= begin and begin + size <= len(data), f"{what}: is not within the data"):
                    self.scales(what, data[begin:begin + size], "Q4_K")
                spans.append((begin, begin + size))
        spans.sort()
        self.expect(all(a[1] <= b[0] for a, b in zip(spans, spans[1:])), f"{name}: matrices overlap")

    # ---- names and hashes --------------------------------------------------------------------------

    def file_names(self):
        layers = {f"layers/layer_{l:02}.weights" for l in range(self.layers)}
        found = {str(p.relative_to(self.dir)) for p in self.dir.rglob("*") if p.is_file()}
        self.expect(found <= KNOWN_FILES | layers, f"the format has no {', '.join(sorted(found - KNOWN_FILES - layers))}")

    def checksums(self):
        if not (self.dir / "checksums.json").exists():
            return
        sums = self.json("checksums.json")
        self.same("checksums.json: version", sums["version"], 1)
        found = {str(p.relative_to(self.dir)) for p in self.dir.rglob("*") if p.is_file()} - {"checksums.json"}
        self.same("checksums.json: files", sorted(sums["files"]), sorted(found))
        for name, entry in sums["files"].items():
            data = self.bytes(name)
            self.same(f"{name}: bytes", len(data), entry["bytes"])
            self.same(f"{name}: SHA-256", hashlib.sha256(data).hexdigest(), entry["sha256"])
        self.same("checksums.json: layers", [x["layer"] for x in sums["layers"]], list(range(self.layers)))
        for x in sums["layers"]:
            name = f"layers/layer_{x['layer']:02}.weights"
            data = self.bytes(name)
            self.same(f"{name}: head", hashlib.sha256(data[:24 + 32 * self.experts]).hexdigest(), x["head"])
            for e, expected in enumerate(x["experts"]):
                a, n, b, m = struct.unpack_from("<4Q", data, 24 + 32 * e)
                self.same(f"{name}: expert {e}", hashlib.sha256(data[a:a + n] + data[b:b + m]).hexdigest(), expected)

    def weights_digest(self):
        layers = self.json("checksums.json")["layers"]
        out = hashlib.sha256(f"larql-weights-1 {len(layers)} {len(layers[0]['experts'])}\n".encode())
        for x in layers:
            for digest in x["experts"]:
                out.update(bytes.fromhex(digest))
        return out.hexdigest()


if __name__ == "__main__":
    complaints = Checker(sys.argv[1]).run()
    print("\n".join(complaints) or "ok")
    sys.exit(1 if complaints else 0)
