"""What was known of a unit when it got its arm, and the policies of contextual experiments."""

import sqlalchemy as sa
from alembic import op

revision = "0023_contextual_experiments"
down_revision = "0020_release_exchange"


def upgrade() -> None:
    """Add a column and a table; no experiment before has a context."""
    op.add_column("experiment_assignment", sa.Column("context", sa.Text(), nullable=True))
    op.create_table(
        "experiment_policy",
        sa.Column("experiment_id", sa.String(length=128), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("policy", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("experiment_id", "epoch"),
    )
