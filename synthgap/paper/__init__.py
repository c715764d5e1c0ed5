"""The paper's published numbers and claims."""
