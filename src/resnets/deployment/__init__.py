"""Deployment: a model packaged for elsewhere, and shown to be the same there."""
