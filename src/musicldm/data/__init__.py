"""From a corpus folder to what trainings read: waveforms, log-mels and latents as memory maps beside the corpus."""
