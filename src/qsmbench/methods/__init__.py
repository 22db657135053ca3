"""One file a reconstruction method, and the registry."""
