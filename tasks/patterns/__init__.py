"""What makes a workspace's content win or lose."""
