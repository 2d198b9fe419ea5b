"""Attention of a Gemma-4 layer over packed documents: rotary position tables, masks and the two kinds of layer.

Sliding layers work block by block, so that their cost does not grow with the sequence. Score scale 1; query and key are
normed, the value is normed without weight; full layers have no value projection but use the raw key projection.
"""
import torch
from torch import nn
from torch.nn import functional as F

from row_ops import Norm, RmsNorm, linear


def rope_tables(cfg, full, positions):
    """cos and sin [..., half] for one kind of layer; unrotated pairs have frequency 0."""
    half = cfg.head_dim[full] // 2
    freq = cfg.theta[full] ** (-torch.arange(half) / half)
    if full:
        freq[int(cfg.rotated * cfg.head_dim[full]) // 2:] = 0
    angle = positions[..., None] * freq
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    """x [B, T, heads, dim]; element i pairs with i + dim / 2."""
    a, b = x.chunk(2, -1)
    cos, sin = cos[:, None], sin[:, None]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def masks(cfg, documents):
    """What to add to the scores: [B, 1, 1, T, T] for full layers, [B, blocks, 1, 1, w, 2w] for sliding ones.

    documents [B, T] numbers the documents; T is a multiple of the window w. A sliding block of w queries needs only the keys
    of its own and the preceding block.
    """
    batch, length = documents.shape
    at, w = torch.arange(length), cfg.window
    full = (documents[:, :, None] == documents[:, None]) & (at[None] <= at[:, None])
    query = at.view(-1, w, 1)
    key = (query[:, :1] - w + torch.arange(2 * w)).view(-1, 1, 2 * w)
    near = (key <= query) & (key > query - w) & (key >= 0)
    of_key = documents[:, key.clamp(min=0)]  # [B, blocks, 1, 2w]
    near = near & (documents.view(batch, -1, w, 1) == of_key)
    return [torch.zeros(seen.shape).masked_fill_(~seen, -1e9) for seen in (near[:, :, None, None], full[:, None, None])]


class Attention(nn.Module):
    def __init__(self, cfg, full):
        super().__init__()
        self.cfg, self.full, dim, kv = cfg, full, cfg.head_dim[full], cfg.kv_heads[full]
        self.q_proj, self.k_proj = linear(cfg.hidden, cfg.heads * dim), linear(cfg.hidden, kv * dim)
        if not full:
            self.v_proj = linear(cfg.hidden, kv * dim)
        self.o_proj = linear(cfg.heads * dim, cfg.hidden)
        # The score scale is 1, so the usual 1 / sqrt(dim) must live in a norm; in the real weights it is k_norm.
        self.q_norm, self.k_norm = Norm(dim, cfg.eps), Norm(dim, cfg.eps, dim**-0.5)

    def forward(self, x, cos, sin, mask):
        (batch, length, _), dim, kv = x.shape, self.cfg.head_dim[self.full], self.cfg.kv_heads[self.full]
        k = self.k_proj(x).view(batch, length, kv, dim)
        v = k if self.full else self.v_proj(x).view(batch, length, kv, dim)  # full layers: V is the raw K projection
        q = rotate(self.q_norm(self.q_proj(x).view(batch, length, -1, dim)), cos, sin)
        k, v = rotate(self.k_norm(k), cos, sin), RmsNorm.apply(v, None, self.cfg.eps)
        q = q.view(batch, length, kv, -1, dim)
        mixed = self.everything(q, k, v, mask) if self.full else self.window(q, k, v, mask)
        return self.o_proj(mixed.reshape(batch, length, -1))

    def everything(self, q, k, v, mask):
        """q [B, T, kv, group, dim], k and v [B, T, kv, dim]."""
        q, k, v = q.permute(0, 2, 3, 1, 4), k.transpose(1, 2)[:, :, None], v.transpose(1, 2)[:, :, None]
        scores = torch.softmax(q @ k.transpose(-1, -2) + mask, -1)
        return (scores @ v).permute(0, 3, 1, 2, 4)

    def window(self, q, k, v, mask):
        """The same in blocks of `window` queries."""
        batch, length, kv, group, dim = q.shape
        w = self.cfg.window
        q = q.view(batch, -1, w, kv, group, dim).permute(0, 1, 3, 4, 2, 5)

        def with_previous(t):  # [B, T, kv, dim] -> [B, blocks, kv, 1, 2w, dim]
            t = t.view(batch, -1, w, kv, dim)
            t = torch.cat([F.pad(t, (0, 0, 0, 0, 0, 0, 1, 0))[:, :-1], t], 2)
            return t.transpose(2, 3)[:, :, :, None]

        scores = torch.softmax(q @ with_previous(k).transpose(-1, -2) + mask, -1)
        return (scores @ with_previous(v)).permute(0, 1, 4, 2, 3, 5)
