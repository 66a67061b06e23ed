"""Training: He et al. 2015, section 3.4, and the recipes that came after it."""
