"""Networks that only trainings need: discriminators, the text tower from a sentence encoder, LoRA factors."""
