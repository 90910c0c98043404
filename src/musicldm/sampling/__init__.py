"""Between prompt and waveform: schedulers, conditions, noise, denoising and ranking, each over any model that fits."""
