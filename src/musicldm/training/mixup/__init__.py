"""Mixtures of clips to train on (arXiv 2308.01546)."""
