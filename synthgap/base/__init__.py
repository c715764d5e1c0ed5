"""What every part stands on: errors, files, seeds, weights."""
