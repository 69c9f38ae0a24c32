"""The phrases that count as a call to action. English; a phrase must stand on word boundaries."""

from __future__ import annotations

# Each line asks the reader to act. Verbs that news use in the third person ('vote for', 'get your') need their object.
PHRASES = (
    r"click (?:here|below|the link|on the link|through|to \w+)",
    r"tap (?:here|below|the link|to \w+)|swipe (?:up|left|right)|(?:link|links) (?:is )?in (?:our |the |my )?bio",
    r"(?:learn|read|see|discover|find out) more|find out (?:how|why|what|here)|more info(?:rmation)? (?:here|at|below)",
    r"sign up|subscribe|register (?:now|today|here|for|at|online|your)|rsvp|join (?:us|now|today|our|here)",
    r"(?:shop|buy|order|book|apply|donate|enrol|enroll|pre-?order) (?:now|today|here|online|yours|your|at)",
    r"(?:reserve|claim|grab|save|secure) your|grab (?:one|yours|a seat)|get yours|get started|get in touch|get a quote",
    r"get your (?:\w+ )?(?:ticket|tickets|copy|copies|pass|seat|discount|quote|spot|free)",
    r"download (?:now|today|here|the|our|your|it|a free)|install (?:now|the app|our app)",
    r"try (?:it (?:now|today|free|for free|out)|for free|now|today)|start (?:your free|now|today|your trial|for free)",
    r"request (?:a|your) (?:demo|quote|call)|schedule (?:a|your) (?:call|demo|visit)|add to (?:cart|basket)",
    r"(?:contact|call|message|dm|email|e-mail|follow|visit|text|tell) us|visit our|reply to this",
    r"(?:tag|share (?:this )?with) (?:a friend|your friends|someone|us)|share (?:this|if you|your)",
    r"like (?:and|&) share|take (?:our|the|this) (?:quiz|poll|survey)",
    r"(?:leave a|leave your|post your|comment|comments) (?:comment|comments|below)|let us know|tell me in the comments",
    r"enter (?:now|here|to win|for a chance|today)|vote (?:now|here|below|today|online)",
    r"(?:watch|listen|tune in) (?:now|here|live|below|on|the full|to the full|today|tonight)|play now",
    r"check (?:it|them|us|this) out|check out (?:our|the|this|these|what|how|all|more|my)|do(?:n't|n’t| not) miss",
)

CALL_TO_ACTION = rf"(?i)(?-u:\b)(?:{'|'.join(PHRASES)})(?-u:\b)"
