"""Building blocks that work row by row: RMS norm, bias-free linear layers, and gathers with cheap backward passes."""
import torch
from torch import nn


class RmsNorm(torch.autograd.Function):
    """x / rms(x) * weight. Its own backward, because autograd's chain of small steps costs several times as much."""

    @staticmethod
    def forward(ctx, x, weight, eps):
        scale = (x * x).mean(-1, keepdim=True).add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight, scale)
        return x * scale if weight is None else (x * scale).mul_(weight)

    @staticmethod
    def backward(ctx, grad):
        x, weight, scale = ctx.saved_tensors
        unit = x * scale
        to_unit = grad if weight is None else grad * weight
        dot = (to_unit * unit).mean(-1, keepdim=True)
        to_x = torch.addcmul(to_unit, unit, dot, value=-1).mul_(scale)
        to_weight = None if weight is None else (grad * unit).flatten(0, -2).sum(0)
        return to_x, to_weight, None


class Norm(nn.Module):
    def __init__(self, size, eps, start=1.0):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.full((size,), start)), eps

    def forward(self, x):
        return RmsNorm.apply(x, self.weight, self.eps)


def linear(n_in, n_out):
    layer = nn.Linear(n_in, n_out, bias=False)
    nn.init.normal_(layer.weight, std=n_in**-0.5)
    return layer


class Take(torch.autograd.Function):
    """Rows of x for each (token, choice) in expert order. The backward gathers too, where index_add would go row by row."""

    @staticmethod
    def forward(ctx, x, order, place, top_k):
        ctx.save_for_backward(place)
        ctx.top_k = top_k
        return x[torch.div(order, top_k, rounding_mode="floor")]

    @staticmethod
    def backward(ctx, grad):
        (place,) = ctx.saved_tensors
        return grad[place].view(-1, ctx.top_k, grad.shape[-1]).sum(1), None, None, None


class Permute(torch.autograd.Function):
    """x[order] for a permutation; the backward is the inverse permutation."""

    @staticmethod
    def forward(ctx, x, order, inverse):
        ctx.save_for_backward(inverse)
        return x[order]

    @staticmethod
    def backward(ctx, grad):
        return grad[ctx.saved_tensors[0]], None, None
