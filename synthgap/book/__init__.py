"""From executed chapters to a book."""
