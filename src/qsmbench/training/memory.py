"""What training may keep in memory; without torch, so that costs can be computed where it is not loaded."""

# First maps of the training samples, half precision: 4 GB are those of two thousand samples of 128 x 128 x 64.
KEPT_MAPS_MB = 4000
