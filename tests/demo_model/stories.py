"""Little stories from a grammar, each with questions about it whose answers stand far back in the text.

Those questions are the reason for the stories: with a sliding window of 32 tokens only the full-attention layers can
answer them, so a runtime that handles its caches wrongly fails visibly.
"""

NAMES = """Anna Ben Clara David Emma Felix Greta Hugo Ida Jonas Klara Leo Mia Noah Olga Paul Rosa Sam Tilda Victor Willa
Max Nina Otto Pia Ruby Simon Tara Milo Luna Oscar Bella Finn Lily Toby Hazel""".split()
ANIMALS = """fox bear rabbit cat dog owl hedgehog mouse duck frog horse turtle squirrel goat pig sheep wolf otter beaver
lion""".split()
COLOURS = "red blue green brown white black grey yellow orange pink purple golden".split()
PLACES = ["a quiet forest", "a small village by the sea", "an old barn", "a house on a hill", "a garden full of flowers",
          "a cave near the river", "a big city", "a valley in the mountains", "a little boat on the lake", "a castle",
          "a hollow apple tree", "a windmill"]
OBJECTS = ["a shiny key", "a lost hat", "an old map", "a small lantern", "a wooden box", "a bright balloon",
           "a silver bell", "a basket of apples", "a warm blanket", "a broken kite", "a round stone", "a long letter"]
SPOTS = ["under a tree", "by the river", "on the road", "behind a rock", "in the tall grass", "near the bridge",
         "at the market", "on the beach"]
WEATHER = "sunny rainy windy snowy foggy cloudy warm cold".split()
TIMES = "morning afternoon evening".split()

OPENINGS = ["Once upon a time there was {a_animal} named {name}. {name} lived in {place}.",
            "In {place} lived {a_animal} called {name}.",
            "{name} was {a_animal} who lived in {place}.",
            "There once was {a_animal}. Its name was {name}, and its home was {place}."]
FINDS = ["One {weather} {time} {name} found {object} {spot}.",
         "On a {weather} {time} {name} went for a walk and found {object} {spot}.",
         "{name} liked to walk every {time}. One day {name} found {object} {spot}.",
         "It was a {weather} {time}. {name} looked around and found {object} {spot}."]
REACTIONS = ['"How nice!" said {name}.', '"Who has lost this?" asked {name}.', '"What is this?" said {name}.',
             "{name} was very surprised.", "{name} smiled and took it home."]
MEETINGS = ["Then {a_friend} named {other} came along.", "Soon {a_friend} called {other} came by.",
            "A little later {other}, {a_friend}, knocked at the door."]
REPLIES = ['"That is mine," said {other}. "Thank you for finding it!"', '"Let us share it," said {other}.',
           '"I have looked for it all day," said {other}.', '"It is beautiful," said {other}.']
ENDINGS = ["They played together until the sun went down.", "They talked and laughed until the stars came out.",
           "They ate soup and bread and were happy.", "They sang a song and danced in the garden."]
CLOSINGS = ["From that day on {name} and {other} were best friends.", "In the end both went home and slept well.",
            "{name} never forgot that day.", ""]


def article(words):
    return ("an " if words[0] in "aeiou" else "a ") + words


class Story:
    """One random story; `text`, its `key` for the held-out split, and `questions` = [(question, answer), ...]."""

    def __init__(self, rng):
        name, other = rng.sample(NAMES, 2)
        animal, friend = rng.sample(ANIMALS, 2)
        colour, place, thing = rng.choice(COLOURS), rng.choice(PLACES), rng.choice(OBJECTS)
        slots = dict(name=name, other=other, a_animal=article(f"{colour} {animal}"), a_friend=article(friend),
                     place=place, object=thing, spot=rng.choice(SPOTS), weather=rng.choice(WEATHER),
                     time=rng.choice(TIMES))
        parts = (OPENINGS, FINDS, REACTIONS, MEETINGS, REPLIES, ENDINGS, CLOSINGS)
        self.text = " ".join(rng.choice(part) for part in parts).format(**slots).strip()
        self.key = f"story {name} {animal} {colour}"
        self.animal, self.summary = animal, f"{article(f'{colour} {animal}')} named {name}"
        self.questions = [
            (f"What was the {animal} called?", f"The {animal} was called {name}."),
            (f"What colour was {name}?", f"{name} was {colour}."),
            (f"Where did {name} live?", f"{name} lived in {place}."),
            (f"What did {name} find?", f"{name} found {thing}."),
            (f"Who was {other}?", f"{other} was {article(friend)}."),
        ]
