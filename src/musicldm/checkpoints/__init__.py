"""Model folders: where they are, whether they are whole, and the settings that belong to them."""
