"""Tokens 0 to 493 as Gemma numbers them: special ones, runs of newlines and spaces, HTML tags, bytes."""

SPACE = "▁"
LOW = {0: "<pad>", 1: "<eos>", 2: "<bos>", 3: "<unk>", 4: "<mask>", 5: "[multimodal]", 46: "<|tool>", 47: "<tool|>",
       48: "<|tool_call>", 49: "<tool_call|>", 50: "<|tool_response>", 51: "<tool_response|>", 52: '<|"|>',
       98: "<|think|>", 100: "<|channel>", 101: "<channel|>", 105: "<|turn>", 106: "<turn|>"}
ADDED = [i for i in LOW if i != 5]
TAGS = ["table caption thead tbody tfoot tr th td", "h1 h2 h3 h4 h5 h6 blockquote", "strong em b i u s sub sup code",
        "a html body img span bbox ul li div iframe footer"]
LONGEST_RUN = 31  # of newlines (107..137) and of spaces (from 2: 138..167)
FIRST_BYTE, FIRST_LEARNED = 238, 494


def low_tokens():
    """Tokens 0..493 as Gemma numbers them."""
    tokens = [LOW.get(i, f"<unused{i - 6}>") for i in range(107)]
    tokens += ["\n" * n for n in range(1, LONGEST_RUN + 1)] + [SPACE * n for n in range(2, LONGEST_RUN + 1)]
    for group in TAGS:
        names = group.split()
        tokens += [f"<{n}>" for n in names] + [f"</{n}>" for n in names]
    assert len(tokens) == FIRST_BYTE and tokens[212] == "</s>"
    return tokens + [f"<0x{byte:02X}>" for byte in range(256)]
