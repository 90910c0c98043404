"""How a score sounds: instruments, sound fonts, synthesiser, effects, mixing, mastering, degradation."""
