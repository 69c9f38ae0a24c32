"""The pieces simulated posts are made of.

Each piece carries one feature and no other: no digit, `?`, `!`, emoji, call to action or word that the sentiment
lexicon rates where it is not the point. A test holds them to it.
"""

from __future__ import annotations

THINGS = {
    "food": (
        "the rye loaf",
        "the house blend",
        "the almond cake",
        "the morning menu",
        "the sourdough",
        "the tasting box",
    ),
    "retail": (
        "the rain jacket",
        "the linen dress",
        "the trail shoe",
        "the wool scarf",
        "the day pack",
        "the autumn range",
    ),
    "fitness": ("the rowing class", "the mat session", "the lifting plan", "the breathing course", "the morning set"),
    "saas": ("the payroll export", "the audit log", "the new dashboard", "the login report", "the reporting module"),
    "finance": ("the savings plan", "the mortgage desk", "the card app", "the pension guide", "the branch service"),
    "travel": ("the island route", "the night train", "the coastal walk", "the city weekend", "the mountain lodge"),
    "culture": ("the portrait room", "the summer show", "the archive tour", "the sculpture hall", "the evening talk"),
    "media": ("the council vote", "the harbour plan", "the school budget", "the river report", "the transit line"),
}

# What a topic's sentences say of a thing; the words, not the thing, tell the topic.
TOPICS = {
    "product": (
        "The material, size and finish of {} explained",
        "A look at how {} is made",
        "The details of {} up close",
    ),
    "people": ("Meet the crew behind {}", "Our colleagues on their work with {}", "A portrait of the team around {}"),
    "how-to": ("Steps for getting started with {}", "A short guide to {}", "Instructions and tips for {}"),
    "community": ("Neighbours and readers on {}", "Your stories about {}", "A local group and {}"),
    "news": ("An update on {}", "The latest on {}", "What changed this month with {}"),
}

TONES = {
    "plain": ("Here it is.", "In short.", "For the record."),
    "playful": ("Guess who is back.", "Plot twist.", "Tiny drum roll."),
    "urgent": ("Time is running short.", "Last hours.", "Before the doors close."),
    "inspiring": ("Imagine the view from up there.", "Begin small and walk far.", "Every road starts with a step."),
}

SENTIMENTS = {
    "positive": (
        "We love how it turned out.",
        "A wonderful result and happy faces.",
        "It works great and looks beautiful.",
    ),
    "neutral": ("It is on the table now.", "It went out in the morning.", "It stays on until the end of the month."),
    "negative": ("Sadly there was a problem.", "The delay was annoying and bad.", "A disappointing and painful week."),
}

# As long as the other sentences, so that length changes neither readability nor the share of capitals.
FILLERS = (
    "The team met on the second floor.",
    "Some of it was planned in spring.",
    "Most of it came together over the summer.",
    "A longer version hangs next to the door.",
    "Two regulars had asked for it by letter.",
    "The layout took several rounds of drafts.",
    "A colleague took the photographs outside.",
    "Parts of the text come from the handbook.",
    "The chairs were set up the evening before.",
    "The lamps stand on a long table.",
    "Half of the notes are on paper.",
    "The list was read line by line.",
    "The boxes came by van on Monday.",
)

QUESTIONS = ("What would you pick?", "Which one is yours?", "How do you do it?", "Have you been there?")
CALLS = ("Learn more.", "Sign up today.", "Book now.", "Read more.", "Shop now.", "Tell us below.")
NUMBERS = ("It took 12 days.", "There are 40 places.", "In all 365 pieces.", "That is 25 % more than in 2023.")
EXCLAMATIONS = ("What a week!", "There it is!", "At last!")
HASHTAGS = ("#simulated #notes", "#simulated", "#simulated #weekly #behindthescenes")
LINKS = ("https://example.com/notes", "https://example.com/a/b", "www.example.com/week")
EMOJI = ("🚀", "📣", "👀", "🌱", "☕", "📸 🗓️", "🧵👇", "🌍")
