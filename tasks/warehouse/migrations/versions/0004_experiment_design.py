"""Which way a metric is better, and which share of the units each arm was meant to get."""

import sqlalchemy as sa
from alembic import op

revision = "0004_experiment_design"
down_revision = "0003_attribute_roles"


def upgrade() -> None:
    """Add two columns; experiments that are there count as before: more is better, shares unknown."""
    direction = sa.Column("direction", sa.String(length=64), nullable=False, server_default="increase")
    op.add_column("experiment_arm", direction)
    op.add_column("experiment_arm", sa.Column("share", sa.Double(), nullable=True))
