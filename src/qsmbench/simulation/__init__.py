"""Phantom, augmentation, acquisitions."""
