"""What came of predictions, and sums of both by day, from which drift is seen as it happens."""

import sqlalchemy as sa
from alembic import op

revision = "0028_drift_as_it_happens"
down_revision = "0027_experiment_proposals"
OF_A_VERSION = {"workspace_id": 128, "model_type": 64, "version_name": 64}
SUMS = ("n_predictions", "score_sum", "score_squares", "n_outcomes", "loss_sum", "loss_squares")


def upgrade() -> None:
    """Add two tables, which begin empty, and the way from a row to what was predicted for it."""
    op.create_table(
        "model_outcome",
        *(sa.Column(name, sa.String(length=length), nullable=False) for name, length in OF_A_VERSION.items()),
        sa.Column("row_id", sa.String(length=128), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("loss", sa.Double(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint(*OF_A_VERSION, "row_id"),
    )
    op.create_index("model_outcome_by_instant", "model_outcome", [*OF_A_VERSION, "recorded_at"])
    op.create_table(
        "model_sketch",
        *(sa.Column(name, sa.String(length=length), nullable=False) for name, length in OF_A_VERSION.items()),
        sa.Column("day", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in SUMS),
        sa.PrimaryKeyConstraint(*OF_A_VERSION, "day"),
    )
    op.create_index("model_prediction_by_row", "model_prediction", ["workspace_id", "model_type", "row_id"])
