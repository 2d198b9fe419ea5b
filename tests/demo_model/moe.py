"""Router and experts of a Gemma-4 layer. The router sees the raw residual stream, the experts a normed copy of it."""
import torch
from torch import nn
from torch.nn import functional as F

from row_ops import Permute, RmsNorm, Take


class Router(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg, self.proj = cfg, nn.Linear(cfg.hidden, cfg.experts, bias=False)
        nn.init.normal_(self.proj.weight)  # its input has norm 1, so the logits start with deviation 1
        self.scale = nn.Parameter(torch.ones(cfg.hidden))
        self.per_expert_scale = nn.Parameter(torch.ones(cfg.experts))

    def forward(self, x):
        """x is the raw residual [N, hidden]; returns weights and experts [N, top_k], and the load-balancing loss."""
        p = torch.softmax(self.proj(RmsNorm.apply(x, self.scale * self.cfg.hidden**-0.5, self.cfg.eps)), -1)
        weight, expert = p.topk(self.cfg.top_k)
        used = torch.bincount(expert.flatten(), minlength=self.cfg.experts) / expert.numel()
        weight = weight / weight.sum(-1, keepdim=True) * self.per_expert_scale[expert]
        return weight, expert, self.cfg.experts * (used * p.mean(0)).sum()


class Experts(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        n, width = cfg.experts, cfg.expert_width
        self.gate_up_proj = nn.Parameter(torch.randn(n, 2 * width, cfg.hidden) * cfg.hidden**-0.5)
        self.down_proj = nn.Parameter(torch.randn(n, cfg.hidden, width) * width**-0.5)

    def forward(self, x, weight, expert):
        top_k = expert.shape[1]
        order = expert.flatten().argsort(stable=True)
        place = order.argsort()
        counts = torch.bincount(expert.flatten(), minlength=len(self.down_proj)).tolist()
        out = []
        # unbind, not indexing: the backward of an index would fill a tensor of all experts for each expert
        for rows, gate_up, down in zip(Take.apply(x, order, place, top_k).split(counts), self.gate_up_proj.unbind(),
                                       self.down_proj.unbind()):
            gate, up = (rows @ gate_up.T).chunk(2, -1)
            out.append((F.gelu(gate, approximate="tanh") * up) @ down.T)
        chosen = Permute.apply(torch.cat(out), place, order).view(len(x), top_k, -1)
        return (chosen * weight[..., None]).sum(1)
