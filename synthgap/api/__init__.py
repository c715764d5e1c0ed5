"""What Python callers and the command line do with single models."""
