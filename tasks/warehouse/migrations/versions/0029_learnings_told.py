"""When operators read of a learning; what is there was told by the reports of its night."""

import sqlalchemy as sa
from alembic import op

revision = "0029_learnings_told"
down_revision = "0028_drift_as_it_happens"


def upgrade() -> None:
    """Add a column, and call everything told that was learned before."""
    op.add_column("learning", sa.Column("told_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE learning SET told_at = confirmed_at")
