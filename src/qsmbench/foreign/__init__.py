"""Methods that are folders or containers of other people: QSM-CI's contract of files in, files out."""
