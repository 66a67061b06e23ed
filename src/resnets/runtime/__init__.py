"""Running a network fast on this machine: fused, lowered to other engines, and the engines themselves."""
