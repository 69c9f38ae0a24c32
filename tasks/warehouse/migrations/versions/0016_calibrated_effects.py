"""What the arms of experiments show, and beside what posts show of a condition what experiments say of it."""

import sqlalchemy as sa
from alembic import op

revision = "0016_calibrated_effects"
down_revision = "0015_debate_leases"


def upgrade() -> None:
    """Add three columns to arms and to variants, and a table."""
    for table, changes in (("experiment_arm", sa.Text()), ("experiment_variant", sa.JSON(none_as_null=True))):
        op.add_column(table, sa.Column("title", sa.Text(), nullable=True))
        op.add_column(table, sa.Column("body", sa.Text(), nullable=True))
        op.add_column(table, sa.Column("changes", changes, nullable=True))
    op.create_table(
        "effect_pair",
        sa.Column("workspace_id", sa.String(length=128), nullable=False),
        sa.Column("content_type", sa.String(length=64), nullable=False),
        sa.Column("condition_key", sa.String(length=128), nullable=False),
        sa.Column("outcome", sa.String(length=64), nullable=False),
        sa.Column("family", sa.String(length=64), nullable=False),
        *(
            sa.Column(name, sa.Double(), nullable=False)
            for name in ("log_lift", "standard_error", "effect", "effect_error")
        ),
        sa.Column("experiments", sa.BigInteger(), nullable=False),
        sa.Column("of_experiments", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "content_type", "condition_key"),
    )
