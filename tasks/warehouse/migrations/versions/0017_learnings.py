"""What was learned, in one place, and how it is found again: words by workspace, and a full-text index."""

import sqlalchemy as sa
from alembic import op

revision = "0017_learnings"
down_revision = "0016_calibrated_effects"

KEY, LABEL = sa.String(length=128), sa.String(length=64)
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add two tables and the index of each database's own kind; the next night fills them."""
    op.create_table(
        "learning",
        sa.Column("learning_id", KEY, primary_key=True),
        sa.Column("workspace_id", KEY),
        sa.Column("kind", LABEL, nullable=False),
        sa.Column("subject", KEY, nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("basis", LABEL, nullable=False),
        sa.Column("metric", KEY),
        sa.Column("effect", sa.Double()),
        sa.Column("effect_low", sa.Double()),
        sa.Column("effect_high", sa.Double()),
        sa.Column("interval_level", sa.Double()),
        sa.Column("learned_at", INSTANT, nullable=False),
        sa.Column("confirmed_at", INSTANT, nullable=False),
        sa.Column("standing", LABEL, nullable=False),
        sa.Column("standing_reason", sa.Text(), nullable=False),
        sa.Column("replications", sa.BigInteger(), nullable=False),
        sa.Column("source_id", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
    )
    op.create_index("learning_by_workspace", "learning", ["workspace_id", "kind"])
    op.create_table(
        "learning_word",
        sa.Column("word", KEY, primary_key=True),
        sa.Column("scope", KEY, primary_key=True),
        sa.Column("learnings", sa.BigInteger(), nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE learning_index USING fts5"
            "(words, learning_id UNINDEXED, detail='none', tokenize='ascii')"
        )
        return
    op.execute("CREATE TABLE learning_index (learning_id varchar(128) PRIMARY KEY, words tsvector NOT NULL)")
    op.execute("CREATE INDEX learning_index_words ON learning_index USING gin (words)")
