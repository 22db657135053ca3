"""Data loading, losses, the loop, checkpoints."""
