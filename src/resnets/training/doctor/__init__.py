"""The doctor: watches a training run and says what is wrong with it, while there is time to do something about it."""
