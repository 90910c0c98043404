"""What is trained: one part of a model a file."""
