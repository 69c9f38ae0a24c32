"""The newest drift check of a model and the newest outcome of a step, found without reading the older ones."""

from alembic import op

revision = "0024_indexes_of_the_first_page"
down_revision = "0023_contextual_experiments"


def upgrade() -> None:
    """Add two indexes; no row changes."""
    op.create_index("drift_check_by_instant", "drift_check", ["workspace_id", "model_type", "checked_at"])
    op.create_index("step_outcome_by_step", "step_outcome", ["step", "workspace_id", "recorded_at"])
