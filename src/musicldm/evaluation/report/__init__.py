"""From figures to a table and a page."""
