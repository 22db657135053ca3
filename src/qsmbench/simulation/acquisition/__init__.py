"""Simulated acquisitions: whole heads, spoiled gradient echoes, finite k-space, and the truth behind them."""
