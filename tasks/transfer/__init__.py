"""What similar workspaces know, privately."""

from tasks.transfer.budget import Budget
from tasks.transfer.transfer_learner import TransferLearner
from tasks.transfer.transfer_publisher import TransferPublisher

__all__ = ["Budget", "TransferLearner", "TransferPublisher"]
