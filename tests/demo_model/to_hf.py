"""The Hugging Face form of the model: config, tokenizer, chat template and BF16 safetensors."""
import json

import names
import safetensors_file
from special_tokens import LOW


def hf_config(cfg):
    text = {
        "model_type": "gemma4_text", "hidden_size": cfg.hidden, "num_hidden_layers": cfg.layers,
        "num_attention_heads": cfg.heads, "num_key_value_heads": cfg.kv_heads[0],
        "num_global_key_value_heads": cfg.kv_heads[1], "head_dim": cfg.head_dim[0], "global_head_dim": cfg.head_dim[1],
        "intermediate_size": cfg.dense_width, "enable_moe_block": True, "num_experts": cfg.experts,
        "top_k_experts": cfg.top_k, "moe_intermediate_size": cfg.expert_width, "hidden_activation": "gelu_pytorch_tanh",
        "vocab_size": cfg.vocab, "vocab_size_per_layer_input": cfg.vocab, "hidden_size_per_layer_input": 0,
        "num_kv_shared_layers": 0, "use_double_wide_mlp": False, "attention_k_eq_v": True, "attention_bias": False,
        "attention_dropout": 0.0, "rms_norm_eps": cfg.eps, "final_logit_softcapping": cfg.softcap,
        "sliding_window": cfg.window, "max_position_embeddings": cfg.context, "tie_word_embeddings": True,
        "layer_types": ["full_attention" if cfg.full(i) else "sliding_attention" for i in range(cfg.layers)],
        "rope_parameters": {
            "full_attention": {"rope_type": "proportional", "rope_theta": cfg.theta[1],
                               "partial_rotary_factor": cfg.rotated},
            "sliding_attention": {"rope_type": "default", "rope_theta": cfg.theta[0]}},
        "use_bidirectional_attention": None, "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0, "dtype": "bfloat16",
    }
    return {"architectures": ["Gemma4ForConditionalGeneration"], "model_type": "gemma4", "dtype": "bfloat16",
            "audio_config": None, "vision_config": None, "tie_word_embeddings": True, "eos_token_id": [1, 106],
            "text_config": text}


def write(folder, cfg, state, tokenizer, template):
    folder.mkdir(parents=True, exist_ok=True)
    generation = {"bos_token_id": 2, "do_sample": True, "eos_token_id": [1, 106, 50], "pad_token_id": 0, "temperature": 1.0,
                  "top_k": 64, "top_p": 0.95}
    tokenizer_config = {"tokenizer_class": "GemmaTokenizer", **{f"{k}_token": LOW[i] for i, k in enumerate(
        ["pad", "eos", "bos", "unk", "mask"])}}
    files = {"config.json": hf_config(cfg), "generation_config.json": generation, "tokenizer.json": tokenizer,
             "tokenizer_config.json": tokenizer_config}
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text(template)
    safetensors_file.write_bf16(folder / "model.safetensors", {names.HF_PREFIX + n: t for n, t in state.items()})
