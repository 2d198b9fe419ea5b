"""Models of the gemma4 architecture whose matrices are all zeros: holes of their files, so that hundreds of megabytes cost
neither time nor disk. As GGUF (BF16) and as a Hugging Face checkpoint (BF16). Shares no code with the readers.
"""
import dataclasses
import json
import pathlib
import struct

F32, BF16 = 0, 30  # ggml's codes
U32, FLOAT, BOOL, STRING, ARRAY = 4, 6, 7, 8, 9


@dataclasses.dataclass
class Shape:
    layers: int
    experts: int
    hidden: int = 1024
    expert_width: int = 1024
    dense_width: int = 512
    vocab: int = 4096
    heads: int = 4
    kv_heads: int = 2
    dim: int = 64

    def tensors(self):
        """(name in safetensors, name in GGUF, shape in rows × columns, is a vector of F32 in GGUF)"""
        h, w = self.hidden, self.expert_width
        yield "embed_tokens.weight", "token_embd.weight", [self.vocab, h], False
        yield "norm.weight", "output_norm.weight", [h], True
        for l in range(self.layers):
            for ours, theirs, shape in [
                ("input_layernorm.weight", "attn_norm.weight", [h]),
                ("self_attn.q_proj.weight", "attn_q.weight", [self.heads * self.dim, h]),
                ("self_attn.k_proj.weight", "attn_k.weight", [self.kv_heads * self.dim, h]),
                ("self_attn.v_proj.weight", "attn_v.weight", [self.kv_heads * self.dim, h]),
                ("self_attn.o_proj.weight", "attn_output.weight", [h, self.heads * self.dim]),
                ("self_attn.q_norm.weight", "attn_q_norm.weight", [self.dim]),
                ("self_attn.k_norm.weight", "attn_k_norm.weight", [self.dim]),
                ("post_attention_layernorm.weight", "post_attention_norm.weight", [h]),
                ("pre_feedforward_layernorm.weight", "ffn_norm.weight", [h]),
                ("mlp.gate_proj.weight", "ffn_gate.weight", [self.dense_width, h]),
                ("mlp.up_proj.weight", "ffn_up.weight", [self.dense_width, h]),
                ("mlp.down_proj.weight", "ffn_down.weight", [h, self.dense_width]),
                ("post_feedforward_layernorm_1.weight", "post_ffw_norm_1.weight", [h]),
                ("pre_feedforward_layernorm_2.weight", "pre_ffw_norm_2.weight", [h]),
                ("router.proj.weight", "ffn_gate_inp.weight", [self.experts, h]),
                ("router.scale", "ffn_gate_inp.scale", [h]),
                ("router.per_expert_scale", "ffn_down_exps.scale", [self.experts]),
                ("experts.gate_up_proj", "ffn_gate_up_exps.weight", [self.experts, 2 * w, h]),
                ("experts.down_proj", "ffn_down_exps.weight", [self.experts, h, w]),
                ("post_feedforward_layernorm_2.weight", "post_ffw_norm_2.weight", [h]),
                ("post_feedforward_layernorm.weight", "post_ffw_norm.weight", [h]),
                ("layer_scalar", "layer_output_scale.weight", [1]),
            ]:
                yield f"layers.{l}.{ours}", f"blk.{l}.{theirs}", shape, len(shape) == 1 or ours == "router.proj.weight"

    @property
    def sliding(self):
        return [True] * self.layers


def count(shape):
    n = 1
    for d in shape:
        n *= d
    return n


def write_gguf(path, s):
    """Returns the bytes of its tensors."""
    def text(x):
        return struct.pack("<Q", len(x)) + x.encode()

    def pair(key, kind, value):
        if kind == STRING:
            return text(key) + struct.pack("<I", kind) + text(value)
        if kind == ARRAY:
            return text(key) + struct.pack("<IIQ", ARRAY, BOOL, len(value)) + bytes(value)
        return text(key) + struct.pack("<I", kind) + struct.pack("<f" if kind == FLOAT else "<I", value)

    numbers = {
        "block_count": s.layers, "context_length": 4096, "embedding_length": s.hidden, "feed_forward_length": s.dense_width,
        "attention.head_count": s.heads, "attention.head_count_kv": s.kv_heads, "attention.key_length": s.dim,
        "attention.value_length": s.dim, "attention.key_length_swa": s.dim, "attention.value_length_swa": s.dim,
        "attention.sliding_window": 64, "expert_count": s.experts, "expert_used_count": 2,
        "expert_feed_forward_length": s.expert_width,
    }
    pairs = [pair("general.architecture", STRING, "gemma4"), pair("general.name", STRING, "zeros")]
    pairs += [pair("gemma4." + key, U32, n) for key, n in numbers.items()]
    pairs += [pair("gemma4.attention.sliding_window_pattern", ARRAY, s.sliding)]
    pairs += [pair("gemma4.attention.layer_norm_rms_epsilon", FLOAT, 1e-6), pair("gemma4.rope.freq_base", FLOAT, 1e6),
              pair("gemma4.rope.freq_base_swa", FLOAT, 1e4), pair("gemma4.final_logit_softcapping", FLOAT, 30.0)]
    infos, offset = b"", 0
    tensors = list(s.tensors())
    for _, name, shape, is_vector in tensors:
        infos += text(name) + struct.pack("<I", len(shape))
        infos += b"".join(struct.pack("<Q", d) for d in reversed(shape))
        infos += struct.pack("<IQ", F32 if is_vector else BF16, offset)
        offset += -(-count(shape) * (4 if is_vector else 2) // 32) * 32
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join(pairs) + infos
    with open(path, "wb") as out:
        out.write(head)
        out.truncate(-(-len(head) // 32) * 32 + offset)
    return offset


def write_hf(directory, s):
    """Returns the bytes of its tensors."""
    directory = pathlib.Path(directory)
    directory.mkdir()
    header, offset = {}, 0
    for name, _, shape, _ in s.tensors():
        end = offset + 2 * count(shape)
        header["model.language_model." + name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, end]}
        offset = end
    head = json.dumps(header).encode()
    with open(directory / "model.safetensors", "wb") as out:
        out.write(struct.pack("<Q", len(head)) + head)
        out.truncate(8 + len(head) + offset)
    rope = {"rope_type": "default", "rope_theta": 1e4}
    (directory / "config.json").write_text(json.dumps({
        "model_type": "gemma4", "tie_word_embeddings": True, "eos_token_id": [1], "text_config": {
            "model_type": "gemma4_text", "hidden_size": s.hidden, "num_hidden_layers": s.layers,
            "num_attention_heads": s.heads, "num_key_value_heads": s.kv_heads, "num_global_key_value_heads": s.kv_heads,
            "head_dim": s.dim, "global_head_dim": s.dim, "intermediate_size": s.dense_width, "enable_moe_block": True,
            "num_experts": s.experts, "top_k_experts": 2, "moe_intermediate_size": s.expert_width,
            "hidden_activation": "gelu_pytorch_tanh", "vocab_size": s.vocab, "attention_k_eq_v": False,
            "rms_norm_eps": 1e-6, "final_logit_softcapping": 30.0, "sliding_window": 64,
            "layer_types": ["sliding_attention"] * s.layers,
            "rope_parameters": {"full_attention": {**rope, "rope_type": "proportional", "partial_rotary_factor": 0.25},
                                "sliding_attention": rope}}}))
    return offset
