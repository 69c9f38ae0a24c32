"""The first schema."""

from alembic import op

from tasks.warehouse.schema import Base

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    Base.metadata.create_all(op.get_bind())
