"""Releases that installations exchange: what was handed out, what was taken in, and what it brings whom."""

import sqlalchemy as sa
from alembic import op

revision = "0020_release_exchange"
down_revision = "0019_release_chain"


def upgrade() -> None:
    """Three new tables."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "release_export",
        sa.Column("period", sa.String(64), primary_key=True),
        sa.Column("file_sha256", sa.String(64), primary_key=True),
        sa.Column("sums_sha256", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("exported_at", instant, nullable=False),
    )
    op.create_table(
        "release_import",
        sa.Column("fingerprint", sa.String(64), primary_key=True),
        sa.Column("period", sa.String(64), primary_key=True),
        sa.Column("sums_sha256", sa.String(64), nullable=False),
        sa.Column("file_sha256", sa.String(64), nullable=False),
        sa.Column("catalogue_version", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=False) for name in ("epsilon", "delta", "rho", "noise_scale")),
        sa.Column("contributors_at_least", sa.BigInteger(), nullable=False),
        sa.Column("releases_so_far", sa.BigInteger(), nullable=False),
        sa.Column("rho_so_far", sa.Double(), nullable=False),
        sa.Column("code_version", sa.String(64), nullable=False),
        sa.Column("as_of", instant, nullable=False),
        sa.Column("imported_at", instant, nullable=False),
        sa.Column("forgotten_at", instant, nullable=True),
        sa.Column("sums", sa.JSON(), nullable=False),
    )
    op.create_table(
        "release_benefit",
        sa.Column("workspace_id", sa.String(128), primary_key=True),
        sa.Column("fingerprint", sa.String(64), primary_key=True),
        sa.Column("gain", sa.Double(), nullable=True),
        sa.Column("standard_error", sa.Double(), nullable=True),
        sa.Column("held_out_posts", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.Boolean(), nullable=False),
        sa.Column("measured_at", instant, nullable=False),
    )
