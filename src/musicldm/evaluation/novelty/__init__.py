"""How near music comes to a training set: literal copies by fingerprints, likeness by embeddings, both calibrated."""
