"""The Gemma-4 MoE text model in PyTorch; the parameter names are those of the Hugging Face checkpoint.

`forward` works on packed sequences: a token sees only earlier tokens of its own document. Run nothing here; train.py,
exported.py and compare.py import it.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F

from attention import Attention, masks, rope_tables
from moe import Experts, Router
from row_ops import Norm, linear


class Mlp(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.gate_proj, self.up_proj = linear(cfg.hidden, cfg.dense_width), linear(cfg.hidden, cfg.dense_width)
        self.down_proj = linear(cfg.dense_width, cfg.hidden)

    def forward(self, x):
        return self.down_proj(F.gelu(self.gate_proj(x), approximate="tanh") * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, cfg, index):
        super().__init__()
        self.full = cfg.full(index)
        self.self_attn, self.mlp = Attention(cfg, self.full), Mlp(cfg)
        self.router, self.experts = Router(cfg), Experts(cfg)
        branch = (2 * cfg.layers) ** -0.5  # what a branch adds to the stream at the start
        self.input_layernorm = Norm(cfg.hidden, cfg.eps)
        self.post_attention_layernorm = Norm(cfg.hidden, cfg.eps, branch)
        self.pre_feedforward_layernorm = Norm(cfg.hidden, cfg.eps)
        self.pre_feedforward_layernorm_2 = Norm(cfg.hidden, cfg.eps)
        self.post_feedforward_layernorm_1 = Norm(cfg.hidden, cfg.eps)
        self.post_feedforward_layernorm_2 = Norm(cfg.hidden, cfg.eps)
        self.post_feedforward_layernorm = Norm(cfg.hidden, cfg.eps, branch)
        # Away from 1, so that a runtime that forgets it is noticed.
        self.layer_scalar = nn.Parameter(torch.tensor([0.6 + 0.08 * index]))

    def forward(self, x, cos, sin, mask):
        r = x + self.post_attention_layernorm(self.self_attn(self.input_layernorm(x), cos, sin, mask))
        flat = r.flatten(0, -2)
        weight, expert, balance = self.router(flat)
        moe = self.experts(self.pre_feedforward_layernorm_2(flat), weight, expert).view_as(r)
        dense = self.mlp(self.pre_feedforward_layernorm(r))
        both = self.post_feedforward_layernorm_1(dense) + self.post_feedforward_layernorm_2(moe)
        return (r + self.post_feedforward_layernorm(both)) * self.layer_scalar, balance, expert


class Model(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.embed_tokens = nn.Embedding(cfg.vocab, cfg.hidden)
        nn.init.normal_(self.embed_tokens.weight, std=cfg.hidden**-0.5)
        self.layers = nn.ModuleList(Layer(cfg, i) for i in range(cfg.layers))
        self.norm = Norm(cfg.hidden, cfg.eps)

    def forward(self, ids, documents):
        """ids, documents [B, T], T a multiple of the window; returns the stream after the last norm [B, T, hidden], the mean
        load-balancing loss and the chosen experts per layer."""
        positions = torch.arange(ids.shape[1])
        tables = [rope_tables(self.cfg, full, positions) for full in (False, True)]
        mask = masks(self.cfg, documents)
        x, balance, experts = self.embed_tokens(ids) * math.sqrt(self.cfg.hidden), 0.0, []
        for layer in self.layers:
            x, loss, expert = layer(x, *tables[layer.full], mask[layer.full])
            balance = balance + loss / len(self.layers)
            experts.append(expert)
        return self.norm(x), balance, experts

    def logits(self, stream):
        return self.cfg.softcap * torch.tanh(F.linear(stream, self.embed_tokens.weight) / self.cfg.softcap)

    def logits_of(self, ids):
        """Logits [T, vocab] of one document given as a list of ids."""
        padded = ids + [0] * (-len(ids) % self.cfg.window)
        with torch.no_grad():
            stream, _, _ = self(torch.tensor([padded]), torch.zeros(1, len(padded), dtype=torch.long))
            return self.logits(stream[0, :len(ids)])
