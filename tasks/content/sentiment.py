"""How warm or cold the words of a text are, from the VADER lexicon."""

from __future__ import annotations

from functools import cache

import polars as pl

_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


@cache
def _lexicon() -> pl.DataFrame:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    lexicon: dict[str, float] = SentimentIntensityAnalyzer().lexicon
    return pl.DataFrame({"token": list(lexicon), "valence": list(lexicon.values())})


def sentiment_scores(texts: pl.Series) -> pl.Series:
    """Sum of the valences of a text's words, s / √(s² + 15), in [−1, 1]; null for a null text."""
    rows = texts.alias("text").to_frame().with_row_index("row")
    tokens = rows.select("row", pl.col("text").str.to_lowercase().str.extract_all(r"\S+").alias("token")).explode(
        "token", empty_as_null=False, keep_nulls=False
    )
    stripped = tokens.with_columns(pl.col("token").str.strip_chars(_PUNCTUATION))
    sums = stripped.join(_lexicon(), on="token").group_by("row").agg(pl.col("valence").sum())
    sum_ = pl.when(pl.col("text").is_not_null()).then(pl.col("valence").fill_null(0.0))
    scored = rows.join(sums, on="row", how="left", maintain_order="left")
    return scored.select((sum_ / (sum_**2 + 15).sqrt()).alias("sentiment_score"))["sentiment_score"]
