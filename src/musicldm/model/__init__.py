"""A model folder and its parts."""
