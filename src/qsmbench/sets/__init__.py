"""Sets of scans, whatever kind they are of: one file a kind, with its section of the configuration."""
