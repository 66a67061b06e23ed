"""Check: everything about a data set that is knowable before the first step."""
