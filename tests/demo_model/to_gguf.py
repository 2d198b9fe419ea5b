"""The GGUF form of the model: metadata, tokenizer and tensors as llama.cpp's converter writes them for Gemma 4."""
import numpy as np

import gguf_file
import names
from gguf_file import BOOL, FLOAT, I32, STRING, U32
from special_tokens import ADDED, FIRST_BYTE, FIRST_LEARNED

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6  # token types of GGUF
VISIBLE = [48, 49, 50, 51, 52, 100, 101]  # added tokens that a reader of the output wants to see


def model_metadata(cfg):
    kinds = [cfg.full(i) for i in range(cfg.layers)]
    return {
        "block_count": (U32, cfg.layers), "context_length": (U32, cfg.context), "embedding_length": (U32, cfg.hidden),
        "feed_forward_length": (U32, cfg.dense_width), "attention.head_count": (U32, cfg.heads),
        "attention.head_count_kv": ([I32], [cfg.kv_heads[full] for full in kinds]),
        "attention.key_length": (U32, cfg.head_dim[1]), "attention.value_length": (U32, cfg.head_dim[1]),
        "attention.key_length_swa": (U32, cfg.head_dim[0]), "attention.value_length_swa": (U32, cfg.head_dim[0]),
        "attention.sliding_window": (U32, cfg.window),
        "attention.sliding_window_pattern": ([BOOL], [not full for full in kinds]),
        "attention.layer_norm_rms_epsilon": (FLOAT, cfg.eps), "attention.shared_kv_layers": (U32, 0),
        "embedding_length_per_layer_input": (U32, 0),
        "rope.freq_base": (FLOAT, cfg.theta[1]), "rope.freq_base_swa": (FLOAT, cfg.theta[0]),
        "rope.dimension_count": (U32, cfg.head_dim[1]), "rope.dimension_count_swa": (U32, cfg.head_dim[0]),
        "expert_count": (U32, cfg.experts), "expert_used_count": (U32, cfg.top_k),
        "expert_feed_forward_length": (U32, cfg.expert_width), "final_logit_softcapping": (FLOAT, cfg.softcap),
    }


def token_type(i):
    if i in ADDED:
        return UNKNOWN if i == 3 else USER_DEFINED if i in VISIBLE else CONTROL
    return BYTE if FIRST_BYTE <= i < FIRST_LEARNED else NORMAL


def tokenizer_metadata(tokenizer):
    vocab = tokenizer["model"]["vocab"]
    types = [token_type(i) for i in range(len(vocab))]
    return {
        "model": (STRING, "gemma4"),
        "tokens": ([STRING], sorted(vocab, key=vocab.get)),
        "scores": ([FLOAT], [-1000.0 if i in ADDED else float(-i) for i in range(len(vocab))]),
        "token_type": ([I32], types),
        "merges": ([STRING], [" ".join(pair) for pair in tokenizer["model"]["merges"]]),
        "bos_token_id": (U32, 2), "eos_token_id": (U32, 106), "unknown_token_id": (U32, 3), "padding_token_id": (U32, 0),
        "add_bos_token": (BOOL, True), "add_space_prefix": (BOOL, False),
    }


def write(path, cfg, state, tokenizer, template, as_f32):
    metadata = {
        "general.architecture": (STRING, "gemma4"), "general.type": (STRING, "model"),
        "general.name": (STRING, "larql demo"), "general.license": (STRING, "apache-2.0"),
        "general.file_type": (U32, 0 if as_f32 else 7), "general.quantization_version": (U32, 2),
        "general.sampling.top_k": (I32, 64), "general.sampling.top_p": (FLOAT, 0.95), "general.sampling.temp": (FLOAT, 1.0),
        **{"gemma4." + key: value for key, value in model_metadata(cfg).items()},
        **{"tokenizer.ggml." + key: value for key, value in tokenizer_metadata(tokenizer).items()},
        "tokenizer.chat_template": (STRING, template),
    }
    half, rotated = cfg.head_dim[1] // 2, int(cfg.rotated * cfg.head_dim[1]) // 2
    tensors = {"rope_freqs.weight": np.array([1.0] * rotated + [1e30] * (half - rotated), np.float32)}
    for name, tensor in state.items():
        array = tensor.numpy()
        if names.quantised(name, array):
            array = gguf_file.quantise(array)
            array = gguf_file.dequantise(array) if as_f32 else array
        tensors[names.gguf_name(name)] = array
    gguf_file.write(path, metadata, tensors)
