"""A study: specifications of artifacts, the store that holds them, and the tables and figures read from it."""
