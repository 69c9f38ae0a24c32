"""Metrics of workspaces, exposure and outcome logs, layers, and what was counted when logs were taken in."""

import sqlalchemy as sa
from alembic import op

revision = "0007_experiment_practice"
down_revision = "0005_experiment_sums"

KEY, LABEL, UNIT = sa.String(length=128), sa.String(length=64), sa.String(length=256)
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add five tables, and what an experiment's metric takes from its workspace's definition."""
    for name, kind in (("version", sa.BigInteger()), ("quantile", LABEL), ("window_days", sa.Double())):
        op.add_column("experiment_metric", sa.Column(name, kind, nullable=True))
    op.add_column("experiment_metric", sa.Column("winsorise_at", sa.Double(), nullable=True))
    op.create_table(
        "metrics",
        sa.Column("workspace_id", KEY, primary_key=True),
        sa.Column("name", LABEL, primary_key=True),
        sa.Column("version", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("kind", LABEL),
        sa.Column("direction", LABEL, nullable=False),
        sa.Column("quantile", LABEL),
        sa.Column("window_days", sa.Double()),
        sa.Column("winsorise_at", sa.Double()),
        sa.Column("min_effect_size", sa.Double()),
        sa.Column("owner", KEY),
        sa.Column("description", sa.Text()),
        sa.Column("created_at", INSTANT, nullable=False),
    )
    op.create_table(
        "exposure",
        sa.Column("workspace_id", KEY, primary_key=True),
        sa.Column("experiment_name", KEY, primary_key=True),
        sa.Column("unit_id", UNIT, primary_key=True),
        sa.Column("variant_name", KEY, primary_key=True),
        sa.Column("exposed_at", INSTANT, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
    )
    op.create_table(
        "logged_outcome",
        sa.Column("workspace_id", KEY, primary_key=True),
        sa.Column("experiment_name", KEY, primary_key=True),
        sa.Column("unit_id", UNIT, primary_key=True),
        sa.Column("metric_name", LABEL, primary_key=True),
        sa.Column("key", KEY, primary_key=True),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("denominator", sa.Double()),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
    )
    op.create_table(
        "experiment_range",
        sa.Column("experiment_id", KEY, primary_key=True),
        sa.Column("workspace_id", KEY, nullable=False),
        sa.Column("layer", LABEL, nullable=False),
        sa.Column("ranges", sa.JSON(none_as_null=True), nullable=False),
    )
    op.create_table(
        "experiment_intake",
        sa.Column("experiment_id", KEY, primary_key=True),
        sa.Column("counts", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("taken_at", INSTANT, nullable=False),
    )
