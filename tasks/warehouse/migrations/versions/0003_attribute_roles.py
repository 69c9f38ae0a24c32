"""What each further column may be used for; days without an hour; conversions in fractions."""

import sqlalchemy as sa
from alembic import op

revision = "0003_attribute_roles"
down_revision = "0002_model_rollout"


def upgrade() -> None:
    """Add the roles and loosen two columns; rows that are there keep no roles: their numbers are no features."""
    with op.batch_alter_table("touch") as table:
        table.add_column(sa.Column("attribute_roles", sa.JSON(), nullable=True))
    with op.batch_alter_table("content") as table:
        table.add_column(sa.Column("attribute_roles", sa.JSON(), nullable=True))
        table.alter_column("local_hour", existing_type=sa.BigInteger(), nullable=True)
        table.alter_column("conversions", existing_type=sa.BigInteger(), type_=sa.Double(), existing_nullable=True)
