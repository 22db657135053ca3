"""Training on samples that the device makes as it goes; needs torch, numpy, scipy and PyYAML alone.

A module a step: heads at rest, warp, bodies, field, error; groups of samples, the pool of them, the training's state.
"""
