"""How good generated music is, how true to its prompts, how steady and how new: metrics, judges, reports."""
