"""Loads an exported GGUF, weights dequantised, back into model.py: so evaluate.py and compare.py measure the file itself."""
import torch

import names
from gguf_file import Reader
from config import Config
from model import Model


def load(path):
    reader = Reader(path)
    meta = {key[len("gemma4."):]: value for key, value in reader.metadata.items() if key.startswith("gemma4.")}
    cfg = Config(layers=meta["block_count"], window=meta["attention.sliding_window"], experts=meta["expert_count"],
                 top_k=meta["expert_used_count"], vocab=len(reader.metadata["tokenizer.ggml.tokens"]))
    model = Model(cfg)
    state = {name: torch.from_numpy(reader.tensors[names.gguf_name(name)].copy()) for name in model.state_dict()}
    model.load_state_dict(state)
    return model.eval()
