"""The one exception type for faults that a user can mend."""


class UserError(ValueError):
    """A fault in what the user gave: the message names the value, the place and the remedy in one line.

    The command line prints the message alone and exits with code 2; notebooks show it as the last line.
    """
