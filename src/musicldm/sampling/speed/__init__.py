"""Levers of speed, each wrapping a part with the part's own call."""
