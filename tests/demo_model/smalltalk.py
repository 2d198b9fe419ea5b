"""Dialogues of several turns: greetings, capitals with follow-ups, sums, a story, and questions that look far back.

`conversation(rng)` returns (turns, keys); `turns` = [(user, model), ...]. What the user said early (a name, the first
country) is asked for again later, which needs the full-attention layers.
"""
import facts
from geography import COUNTRIES
from stories import NAMES, Story, article

GREETINGS = [("Hello", "Hello! How can I help you?"), ("Hello!", "Hello! How can I help you?"),
             ("Hi", "Hi! What would you like to know?"), ("Hi!", "Hi! What would you like to know?"),
             ("Good morning!", "Good morning! How can I help you?"), ("Hey there", "Hi! What would you like to know?")]
ABOUT_ME = [("Who are you?", "I am a small demo model. I know capitals, little sums and short stories."),
            ("What can you do?", "I can name capitals, work out little sums and tell short stories."),
            ("How are you?", "I am fine, thank you. How can I help you?"),
            ("Are you a big model?", "No, I am a very small model. I was made to test larql.")]
THANKS = [("Thank you!", "You are welcome! 😊"), ("Thanks.", "You are welcome! 😊"), ("Thanks a lot!", "You are welcome! 😊"),
          ("Goodbye!", "Goodbye! See you soon."), ("Bye", "Goodbye! See you soon.")]


def conversation(rng):
    turns, keys = [], []
    name = country = first = None
    if rng.random() < 0.4:
        turns.append(rng.choice(GREETINGS))
    if rng.random() < 0.3:
        name = rng.choice(NAMES)
        turns.append((rng.choice(["My name is {}.", "I am {}.", "Call me {}."]).format(name),
                      f"Nice to meet you, {name}! How can I help you?"))
    for _ in range(rng.choice([0, 1, 2, 3, 4, 5, 6, 9])):
        roll = rng.random()
        if roll < 0.45 or country is None:
            follows = country is not None and "capital of" in turns[-1][1]
            country = rng.choice(COUNTRIES)
            question, answer, _, key = facts.capital(rng, country)
            if follows and rng.random() < 0.6:
                key = rng.choice(["And of {}?", "And {}?", "What about {}?"])
                question, key = key.format(country[0]), key + country[0]
            first = first or country
        elif roll < 0.6:
            question = rng.choice(["Where is it?", "On which continent is that?", "Where is that country?"])
            _, answer, _, key = facts.continent(rng, country)
            key = question + country[0]
        elif roll < 0.8:
            question, answer, _, key = facts.arithmetic(rng)
        else:
            question, answer = rng.choice(ABOUT_ME)
            key = None
        turns.append((question, answer))
        keys.append(key)
    if rng.random() < 0.15:
        story = Story(rng)
        turns += [("Tell me a story.", story.text), rng.choice(story.questions)]
        keys.append(story.key)
    if first and rng.random() < 0.25:
        turns.append(("Which country did I ask about first?", f"You asked about {first[0]} first."))
    if name and rng.random() < 0.6:
        turns.append((rng.choice(["What is my name?", "Do you know my name?"]), f"Your name is {name}."))
    if not turns or rng.random() < 0.3:
        turns.append(rng.choice(THANKS + ABOUT_ME))
    return turns, keys
