"""Who holds a debate, and until when, so that two runs never pay for the same turns."""

import sqlalchemy as sa
from alembic import op

revision = "0015_debate_leases"
down_revision = "0009_standing_answers"


def upgrade() -> None:
    """Add two columns; debates that are under way are nobody's, and can be gone on with."""
    op.add_column("debate", sa.Column("held_by", sa.String(length=128), nullable=True))
    op.add_column("debate", sa.Column("held_until", sa.DateTime(timezone=True), nullable=True))
