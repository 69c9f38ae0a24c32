"""What similar workspaces know, privately."""

from tasks.transfer.privacy import PrivacyBudget
from tasks.transfer.transfer_learner import TransferLearner
from tasks.transfer.transfer_publisher import TransferPublisher

__all__ = ["PrivacyBudget", "TransferLearner", "TransferPublisher"]
