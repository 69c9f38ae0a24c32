"""Answers that stand while nothing they rest on has changed, and in outcomes the day from which they are."""

import sqlalchemy as sa
from alembic import op

revision = "0009_standing_answers"
down_revision = "0007_experiment_practice"


def upgrade() -> None:
    """Add a column and a table; the first night after it answers everything anew."""
    op.add_column("step_outcome", sa.Column("unchanged_since", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "standing_answer",
        sa.Column("workspace_id", sa.String(length=128), nullable=False),
        sa.Column("step", sa.String(length=64), nullable=False),
        sa.Column("variant", sa.String(length=16), nullable=False),
        sa.Column("basis", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("result", sa.LargeBinary(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "step", "variant"),
    )
