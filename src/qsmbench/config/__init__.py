"""The configuration model."""
