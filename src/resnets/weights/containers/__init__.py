"""Containers: the file formats weights come in, each read as names and numbers; nothing in a file is ever run."""
