"""Metrics over arrays, each with its interval."""
