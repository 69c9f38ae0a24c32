"""What people answered to experiments that were proposed to them."""

import sqlalchemy as sa
from alembic import op

revision = "0027_experiment_proposals"
down_revision = "0026_workspace_defaults"


def upgrade() -> None:
    """Add a table; nothing that is there changes."""
    op.create_table(
        "experiment_proposal",
        *(sa.Column(name, sa.String(length=128), nullable=False) for name in ("workspace_id", "proposal_key", "name")),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("by_lot", sa.Boolean(), nullable=False),
        sa.Column("answer", sa.String(length=64), nullable=False),
        *(sa.Column(name, sa.JSON(none_as_null=True), nullable=False) for name in ("definition", "claim")),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("experiment_id", sa.String(length=128), nullable=True),
        sa.PrimaryKeyConstraint("workspace_id", "proposal_key"),
    )
