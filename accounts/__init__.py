"""People who log in, and what they may do."""
