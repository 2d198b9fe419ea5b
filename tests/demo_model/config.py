"""The shape of the demo model; the defaults are the model that is committed."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    vocab: int = 2048
    hidden: int = 256
    layers: int = 6
    period: int = 3  # every third layer attends to everything, the others to a window
    heads: int = 4
    kv_heads: tuple = (2, 1)  # (sliding, full)
    head_dim: tuple = (64, 128)
    theta: tuple = (1e4, 1e6)
    rotated: float = 0.25  # of a full layer's head
    window: int = 32
    dense_width: int = 160  # no multiple of 256, as the real model's 2112
    expert_width: int = 96
    experts: int = 16
    top_k: int = 3
    softcap: float = 30.0
    eps: float = 1e-6
    context: int = 2048  # a declaration; trained on 512

    def full(self, layer):
        return layer % self.period == self.period - 1
