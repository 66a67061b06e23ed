"""Images in: from files and arrays to batches of numbers."""
