"""Music as notes: a seed and a style to a score. No audio."""
