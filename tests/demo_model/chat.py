"""The chat format of Gemma 4 as plain text with the special tokens written out; must agree with chat_template.jinja.

`prompt` gives what a runtime feeds (it ends with the generation prompt), `dialogue` adds the model's last answer for
training. Past model turns carry no thought channel, so only the last answer of a training dialogue has one.
"""


def prompt(turns, question, system="", thinking=False):
    """`turns` = past [(user, model), ...]; `question` = the user turn to be answered."""
    head = "<|think|>\n" * thinking + system
    text = "<bos>" + (f"<|turn>system\n{head}<turn|>\n" if head else "")
    for user, model in turns:
        text += f"<|turn>user\n{user}<turn|>\n<|turn>model\n{model}<turn|>\n"
    text += f"<|turn>user\n{question}<turn|>\n<|turn>model\n"
    return text if thinking else text + "<|channel>thought\n<channel|>"


def dialogue(turns, system="", thought=None):
    """A whole training document; with a `thought` the dialogue is rendered with thinking on."""
    *past, (question, answer) = turns
    text = prompt(past, question, system, thinking=thought is not None)
    if thought is not None:
        text += f"<|channel>thought\n{thought}\n<channel|>"
    return text + answer + "<turn|>"
