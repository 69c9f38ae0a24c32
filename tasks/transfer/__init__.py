"""What similar workspaces know, privately."""
