"""What a workspace does by default, since which experiment proved it."""

import sqlalchemy as sa
from alembic import op

revision = "0026_workspace_defaults"
down_revision = "0025_webhooks"


def upgrade() -> None:
    """Add a table; decided experiments fill it the next time it is asked for."""
    op.create_table(
        "defaults",
        sa.Column("workspace_id", sa.String(length=128), nullable=False),
        sa.Column("experiment_id", sa.String(length=128), nullable=False),
        sa.Column("experiment_name", sa.String(length=128), nullable=False),
        sa.Column("metric_name", sa.String(length=64), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("does", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("instead_of", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=True) for name in ("effect", "effect_low", "effect_high")),
        *(sa.Column(name, sa.Double(), nullable=False) for name in ("p_value", "level")),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retired_by", sa.String(length=128), nullable=True),
        sa.Column("retired_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("workspace_id", "experiment_id"),
    )
