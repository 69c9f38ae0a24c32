"""The phrases that count as a call to action. English; a phrase stands on word boundaries."""

from __future__ import annotations

# Ask the reader wherever they stand.
PHRASES = (
    r"click (?:here|below|the link|on the link|through|to \w+)|find out here|read it here",
    r"tap (?:here|below|the link|to \w+)|swipe (?:up|left|right)|links? (?:is )?in (?:our |the |my )?bio",
    r"(?:learn|read|see|discover|find out|watch) more|more info(?:rmation)? (?:here|at|below)",
    r"sign up|subscribe|register (?:now|today|here|online|your)|rsvp|join (?:now|today|here)",
    r"(?:shop|buy|order|book|apply|donate|enrol|enroll|pre-?order) (?:now|today|here|online|yours|your)",
    r"grab (?:one|yours|a seat)|get yours|get in touch|get a quote|save your (?:seat|spot|place)",
    r"get your (?:\w+ )?(?:ticket|tickets|copy|copies|pass|seat|discount|quote|spot|free)",
    r"download (?:now|today|here|our|your|it here|a free)|install (?:now|the app|our app)",
    r"try (?:it (?:now|today|free|for free)|for free|now|today)|start (?:your free|today|your trial|for free)",
    r"request (?:a|your) (?:demo|quote|call)|schedule (?:a|your) (?:call|demo|visit)|add to (?:cart|basket)",
    r"(?:contact|message|dm|follow) us|visit our|reply to this|tune in (?:now|live|tonight|today)",
    r"(?:tag|share (?:this )?with) (?:a friend|your friends|someone)|share this|like (?:and|&) share",
    r"(?:leave a|leave your|post your|comment|comments) (?:comment|comments|below)|let us know",
    r"enter (?:now|here|to win|for a chance)|vote (?:now|here|below|online)|take (?:our|the|this) (?:quiz|poll|survey)",
    r"(?:watch|listen) (?:now|here|live|below|the full|to the full)|play now",
    r"check (?:it|them|us|this) out|check out (?:our|the|this|these|what|how|all|more|my)|do(?:n't|n’t| not) miss",
)

# Ask the reader only where a clause begins: elsewhere they tell of somebody else ('to find out what they think').
OPENERS = (
    r"(?:find out|see|learn|discover) (?:how|why|what|who|where|when)|(?:tell|call|email|text|help) us|get started",
    r"join (?:us|me|our|the)|get (?:your|it|the)|check out|tune in|stay tuned|listen to|take a (?:look|tour|moment to)",
    r"read (?:on|the|our|what|all)|follow (?:our|the|along|live)|vote for|submit your|head to|post your",
    r"watch (?:this|these|a|an|as|how|what|him|her|them|our)|see (?:the full|all|inside|our)|catch (?:up|the|us)",
    r"(?:reserve|claim|grab|secure|download|watch|pre-order|order|book|try|explore|discover) (?:the|your|our|it)",
    r"(?:shop|buy|subscribe|register|donate|apply|share|comment|visit|click|tap)",
)

_CLAUSE = r"(?:^|[\n.!?:;…»–—|>]\s*|[\"“(]|(?:please|now|so|today|and|then) )"

CALL_TO_ACTION = rf"(?i)(?-u:\b)(?:{'|'.join(PHRASES)})(?-u:\b)|{_CLAUSE}(?:{'|'.join(OPENERS)})(?-u:\b)"
