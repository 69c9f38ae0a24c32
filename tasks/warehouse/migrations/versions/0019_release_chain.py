"""Each private release is bound to the ledger it was paid from, and to the releases before it."""

import sqlalchemy as sa
from alembic import op

revision = "0019_release_chain"
down_revision = "0018_service_keys"


def upgrade() -> None:
    """Add the two links; releases from before have none, and the chain begins with the next."""
    op.add_column("transfer_release", sa.Column("ledger_hash", sa.String(length=64), nullable=True))
    op.add_column("transfer_release", sa.Column("chain_hash", sa.String(length=64), nullable=True))
