"""Rows to examples, examples to models, and how well those do on later rows."""
