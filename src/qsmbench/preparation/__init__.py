"""From a scanner's phase to the local field."""
