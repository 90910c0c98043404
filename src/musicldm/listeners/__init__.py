"""Networks that hear: CLAP, VGGish, PANNs, judges, tempo."""
