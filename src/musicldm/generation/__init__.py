"""What the command line, the page and the API share: settings, batches, takes, rerolls."""
