"""Tables and figures of the book, a module a section."""
