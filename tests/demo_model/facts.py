"""Question-answer pairs about capitals and small sums, in many wordings.

Every function returns (question, answer, thought, key). `key` names the template x content combination; corpus.py holds
some keys out of training. The wordings that evaluate.py asks have the key None: they are never held out.
"""
from geography import COUNTRIES

ASK_CAPITAL = ["What is the capital of {c}?", "The capital of {c} is"]  # what evaluate.py asks
ASK_CAPITAL_OTHERWISE = ["What's the capital city of {c}?", "Which city is the capital of {c}?",
                         "Tell me the capital of {c}.", "Can you name the capital of {c}?", "{C}: which capital?",
                         "I would like to know the capital of {c}.", "Capital of {c}?"]
ASK_COUNTRY = ["Which country has the capital {k}?", "{k} is the capital of which country?",
               "Of which country is {k} the capital?"]
ASK_CONTINENT = ["Where is {c}?", "On which continent is {c}?", "Which continent is {c} in?"]

PLAIN = ["{k} is the capital of {c}.", "{s} capital is {k}.", "The capital city of {c} is {k}.",
         "{k} is the capital city of {c}, a country in {o}.", "{k} is a city in {o}. It is the capital of {c}.",
         "Country: {c}. Capital: {k}.", "Question: What is the capital of {c}?\nAnswer: {k}",
         "People who travel to {c} often visit its capital, {k}.", "If you are in {k}, you are in the capital of {c}.",
         "{C} is a country in {o}. Its capital is {k}."]


def slots(country):
    name, capital, continent = country
    upper = name[0].upper() + name[1:]
    return dict(c=name, C=upper, s=upper + ("'" if name.endswith("s") else "'s"), k=capital, o=continent)


def capital(rng, country):
    s = slots(country)
    answer, thought = "The capital of {c} is {k}.", "The user asks for the capital of {c}. That is {k}."
    if rng.random() < 0.45:
        question, key = rng.choice(ASK_CAPITAL), None
    else:
        question = rng.choice(ASK_CAPITAL_OTHERWISE)
        key = question + s["c"]
    return question.format(**s), answer.format(**s), thought.format(**s), key


def country_of(rng, country):
    s, question = slots(country), rng.choice(ASK_COUNTRY)
    return (question.format(**s), "{k} is the capital of {c}.".format(**s),
            "The user names the city {k}. It is the capital of {c}.".format(**s), question + s["c"])


def continent(rng, country):
    s, question = slots(country), rng.choice(ASK_CONTINENT)
    return (question.format(**s), "{C} is in {o}.".format(**s),
            "The user asks where {c} is. It is in {o}.".format(**s), question + s["c"])


def yes_or_no(rng, country):
    s = slots(country)
    offered = s["k"] if rng.random() < 0.5 else rng.choice(COUNTRIES)[1]
    answer = "Yes, {k} is the capital of {c}." if offered == s["k"] else "No, the capital of {c} is {k}."
    return (f"Is {offered} the capital of {s['c']}?", answer.format(**s),
            "The user asks about the capital of {c}. That is {k}.".format(**s), f"is {offered} {s['c']}")


def plain(rng, country):
    """A plain sentence about a country; half of them in the wording of the raw prompt of evaluate.py."""
    s = slots(country)
    if rng.random() < 0.5:
        more = rng.choice(["", " {C} is a country in {o}.", " {C} is a country in {o}."])
        return ("The capital of {c} is {k}." + more).format(**s), None
    template = rng.choice(PLAIN)
    return template.format(**s), template + s["c"]


def sum_of(rng):
    """(a, sign, word, b, result) of a small sum, difference or product."""
    sign = rng.choice("+-*")
    if sign == "*":
        a, b = rng.randint(0, 10), rng.randint(0, 10)
        return a, "*", "times", b, a * b
    a, b = rng.randint(0, 20), rng.randint(0, 20)
    return (a, "+", "plus", b, a + b) if sign == "+" else (max(a, b), "-", "minus", min(a, b), abs(a - b))


def arithmetic(rng):
    a, sign, word, b, c = sum_of(rng)
    question = rng.choice([f"What is {a} {sign} {b}?", f"What is {a} {word} {b}?", f"{a} {sign} {b} =",
                           f"How much is {a} {word} {b}?"])
    return question, f"{a} {sign} {b} = {c}.", f"The user asks for {a} {word} {b}. That is {c}.", f"{a}{sign}{b}"
