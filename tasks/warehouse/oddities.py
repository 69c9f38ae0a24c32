"""What each row of a file may be and the file as a whole hardly is: told to a person, and nothing is refused. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

FEWEST_ROWS = 10  # with both counts, before their order says anything
SHORTEST_TEXT = 20  # letters: shorter ones, such as greetings, come again by chance


@dataclass(slots=True)
class Oddities:
    """What was counted of the posts of one file."""

    counted: int = 0
    exceeding: int = 0
    posts: list[Any] = field(default_factory=list)
    keys: list[Any] = field(default_factory=list)

    def see(self, passed: pl.DataFrame) -> None:
        """Count the rows of a batch; hashes are kept, 16 bytes a row."""
        both = passed.filter(pl.col("impressions").is_not_null() & pl.col("engagements").is_not_null())
        self.counted += both.height
        self.exceeding += both.filter(pl.col("engagements") > pl.col("impressions")).height
        text = pl.concat_str(pl.col("title", "body").fill_null(""), separator="\n")
        of_text = passed.filter((text.str.len_chars() > SHORTEST_TEXT) & pl.col("published_at").is_not_null())
        post = of_text.select(pl.struct("workspace_id", "channel", "published_at", text.alias("text")).hash())
        key = of_text.select(pl.struct("workspace_id", "content_id").hash())
        self.posts.append(post.to_series().to_numpy())
        self.keys.append(key.to_series().to_numpy())

    def notes(self) -> Iterator[str]:
        """A line for each oddity."""
        import numpy as np  # a look at a file can do without

        if self.counted >= FEWEST_ROWS and 2 * self.exceeding > self.counted:
            yield (
                f"in {self.exceeding:,} of {self.counted:,} rows engagements exceed impressions: see whether the two "
                "columns are exchanged, or one is another count"
            )
        if not self.posts:
            return
        # A key that comes again is the same post measured later; only other keys make a post count twice.
        again = len(np.unique(np.concatenate(self.keys))) - len(np.unique(np.concatenate(self.posts)))
        if again > 0:
            several = "posts stand" if again > 1 else "post stands"
            yield (
                f"{again:,} {several} under another id too, with the same channel, instant and text: each id counts as "
                "a post of its own, so leave one of them out"
            )
