"""What runs: one Prefect flow a file, order and names only."""
