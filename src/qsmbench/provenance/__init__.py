"""What made a result."""
