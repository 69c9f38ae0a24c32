"""Addresses that are told what happened, and what each is to be told."""

import sqlalchemy as sa
from alembic import op

revision = "0025_webhooks"
down_revision = "0024_indexes_of_the_first_page"


def upgrade() -> None:
    """Create two tables; nothing that is there changes."""
    op.create_table(
        "webhook",
        sa.Column("hook_id", sa.String(length=128), nullable=False),
        sa.Column("workspace_id", sa.String(length=128), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("hook_id"),
    )
    op.create_index("webhook_by_workspace", "webhook", ["workspace_id"])
    op.create_table(
        "webhook_message",
        sa.Column("hook_id", sa.String(length=128), nullable=False),
        sa.Column("message_id", sa.String(length=128), nullable=False),
        sa.Column("workspace_id", sa.String(length=128), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("hook_id", "message_id"),
    )
    op.create_index("webhook_message_due", "webhook_message", ["next_at"])
