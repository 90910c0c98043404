"""Beats and bars of music."""
