"""Estimator: residual networks as scikit-learn's estimators."""
