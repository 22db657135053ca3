"""Errors that a user can act on."""


class InputError(ValueError):
    """Something the user gave is wrong; the message is one line: what, where, what to do.

    The command line prints it on standard error and exits with status 2.
    """
