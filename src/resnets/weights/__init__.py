"""Numbers in and out: the model file, and later every checkpoint of the family."""
