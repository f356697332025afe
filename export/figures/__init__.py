"""What a net does beyond its top-1: its classes, its probabilities, and what corrupted pictures do to it."""
