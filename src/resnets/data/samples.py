"""Samples: a few real pictures that are always there, for checks that need some and are given none."""

from __future__ import annotations

import torch
from PIL import Image

from resnets.data.decoding.transform import fit
from resnets.net.normalise import normalise
from resnets.spec.preprocess import Preprocess


def sample_batch(preprocess: Preprocess, count: int = 16) -> torch.Tensor:
    """Return (count, C, H, W) cuts of scikit-learn's two photographs, as a network sees them.

    The cuts lie on a fixed grid over both pictures, so equal preprocesses get equal batches. For colour="bands" they
    are the grey pictures, once for each band.
    """
    from dataclasses import replace

    import numpy as np
    from sklearn.datasets import load_sample_images

    grey = preprocess.colour == "bands"
    seen = replace(preprocess, colour="grey", mean=(0.0,), std=(1.0,)) if grey else preprocess
    photographs = [Image.fromarray(np.asarray(array)) for array in load_sample_images().images]
    cuts = []
    for index in range(count):
        photograph = photographs[index % len(photographs)]
        side = min(photograph.size) * 2 // 3
        steps = index // len(photographs)
        left = (photograph.width - side) * (steps % 4) // 3
        top = (photograph.height - side) * (steps // 4 % 4) // 3
        cuts.append(fit(photograph.crop((left, top, left + side, top + side)), seen))
    batch = torch.from_numpy(np.stack(cuts))
    return normalise(batch.repeat(1, preprocess.channels, 1, 1) if grey else batch, preprocess)
