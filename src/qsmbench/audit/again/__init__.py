"""Numbers made again from what they were made of, by functions that the table of steps names."""
