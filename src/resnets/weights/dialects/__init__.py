"""Dialects: what other codebases call the tensors of a network, one table each."""
