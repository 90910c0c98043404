"""What a wave goes through: waves (2, n) in, waves (2, n) out. `INSERTS` are those a part can be given by name."""

from musicldm.corpus.sound.effects.inserts import INSERTS, Setting, insert

__all__ = ["INSERTS", "Setting", "insert"]
