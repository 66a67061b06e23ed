"""Bytes from outside, bytes to disk: bounded, checked and atomic, with the standard library only."""
