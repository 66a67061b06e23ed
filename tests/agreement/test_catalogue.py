"""The catalogue's rows of timm, held against the installed timm."""

from __future__ import annotations

from math import floor

import timm

from resnets.weights.hub.catalogue import CATALOGUE


def test_the_rows_are_what_the_installed_timm_says() -> None:
    rows = [row for row in CATALOGUE.values() if row.dialect == "timm"]
    assert len(rows) > 50
    for row in rows:
        config = timm.models.get_pretrained_cfg(row.path.removeprefix("timm/"))
        assert (config.hf_hub_id, config.hf_hub_filename) == (row.path, None)
        assert (config.license, config.num_classes) == (row.licence.lower(), 1000)
        sizes = [(config.input_size[1], config.crop_pct)]
        if config.test_input_size:
            sizes.append((config.test_input_size[1], config.test_crop_pct))
        found = [(tested.preprocess.size[0], tested.preprocess.resize) for tested in row.tested]
        assert found == [(size, floor(size / share)) for size, share in sizes], row.name
        for tested in row.tested:
            ours = tested.preprocess
            assert (ours.interpolation, ours.mean, ours.std) == (config.interpolation, config.mean, config.std)
