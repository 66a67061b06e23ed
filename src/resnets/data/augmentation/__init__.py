"""What training does to its pictures at random, every number of it stated."""
