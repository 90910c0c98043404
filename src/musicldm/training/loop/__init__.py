"""The loop that every training runs in."""
