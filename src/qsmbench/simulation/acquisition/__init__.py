"""Simulated acquisitions: whole heads, spoiled gradient echoes, a scanner's finite k-space, and the truth behind them."""
