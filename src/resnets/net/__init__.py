"""The network: `relu(F(x) + shortcut(x))`, built from a Plan with PyTorch."""
