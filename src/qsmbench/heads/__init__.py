"""Where heads come from: one file a kind, with its section of the configuration and how it is read."""
