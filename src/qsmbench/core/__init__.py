"""The types and conventions that everything else shares."""
