"""Sums of experiments that serve a metric of any kind, when outcomes occurred, and what came of each day."""

import sqlalchemy as sa
from alembic import op

revision = "0005_experiment_sums"
down_revision = "0004_experiment_design"

INSTANT = sa.DateTime(timezone=True)
SUMS = (
    *("m", "mm", "b", "xm", "xb", "hy", "hm", "hb", "hd", "xd"),
    *("y3", "y4", "m3", "m4", "y3d", "y2d2", "yd3", "d4", "largest", "largest_d"),
)
COUNTS = ("negative", "not_binary", "not_rate", "not_count")


def upgrade() -> None:
    """Add columns and a table; sums that are there are made anew when they are next touched."""
    op.add_column("experiment", sa.Column("covariate_origin", sa.Double(), nullable=True))
    made: sa.Column[bool] = sa.Column("has_all_sums", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("experiment_metric", made)
    for table in ("experiment_outcome", "experiment_amendment"):
        op.add_column(table, sa.Column("occurred_at", INSTANT, nullable=True))
    for name in SUMS:
        op.add_column("experiment_statistic", sa.Column(name, sa.Double(), nullable=False, server_default="0"))
    for name in COUNTS:
        op.add_column("experiment_statistic", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    _arrivals_by_segment()
    op.create_table(
        "experiment_day",
        sa.Column("experiment_id", sa.String(length=128), nullable=False),
        sa.Column("metric_name", sa.String(length=64), nullable=False),
        sa.Column("variant_id", sa.String(length=128), nullable=False),
        sa.Column("date", sa.String(length=10), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=False) for name in ("y", "yy", "d", "dd", "yd")),
        sa.PrimaryKeyConstraint("experiment_id", "metric_name", "variant_id", "date", "day"),
    )


def _arrivals_by_segment() -> None:
    """A key cannot be changed in place on both databases: a new table takes the rows, whose segments are unknown."""
    op.create_table(
        "experiment_arrival_by_segment",
        sa.Column("experiment_id", sa.String(length=128), nullable=False),
        sa.Column("variant_id", sa.String(length=128), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("segment", sa.String(length=128), nullable=False, server_default=sa.text("''")),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("with_covariate", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("x", sa.Double(), nullable=False, server_default="0"),
        sa.Column("xx", sa.Double(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("experiment_id", "variant_id", "epoch", "segment"),
    )
    old = "experiment_id, variant_id, epoch, n"
    op.execute(f"INSERT INTO experiment_arrival_by_segment ({old}) SELECT {old} FROM experiment_arrival")
    op.drop_table("experiment_arrival")
    op.rename_table("experiment_arrival_by_segment", "experiment_arrival")
