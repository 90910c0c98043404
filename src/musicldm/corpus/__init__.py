"""The composed corpus: theory → styles (tables) → arrangement → rendering → degradation → captions → a folder."""
