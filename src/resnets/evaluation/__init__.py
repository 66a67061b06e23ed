"""How good a model is, as plain data."""
