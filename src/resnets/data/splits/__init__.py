"""Which pictures are trained on and which tested on."""
