"""timm's weights on Hugging Face for the networks of our table: facts of its pretrained configurations and results."""

from __future__ import annotations

from collections.abc import Iterable
from math import floor

from resnets.spec.preprocess import IMAGENET, Interpolation, Preprocess
from resnets.weights.hub.row import Row, Tested

Results = tuple[tuple[int, float, float, float], ...]

# name, then what was measured: input size in pixels, its share of the resized side, top-1, top-5 (percent).
# The first is what timm does by default. From results/results-imagenet.csv of huggingface/pytorch-image-models,
# and timm.models.get_pretrained_cfg. Weights of MXNet's GluonCV are among the first group.
APACHE = (
    ("resnet18.a1_in1k", (224, 0.95, 71.504, 90.086), (288, 1.0, 73.164, 91.054)),
    ("resnet18.a2_in1k", (224, 0.95, 70.634, 89.486), (288, 1.0, 72.364, 90.620)),
    ("resnet18.a3_in1k", (160, 0.95, 65.670, 86.268), (224, 0.95, 68.250, 88.172)),
    ("resnet18.gluon_in1k", (224, 0.875, 70.844, 89.750)),
    ("resnet34.a1_in1k", (224, 0.95, 76.420, 92.896), (288, 1.0, 77.930, 93.758)),
    ("resnet34.a2_in1k", (224, 0.95, 75.520, 92.454), (288, 1.0, 77.150, 93.288)),
    ("resnet34.a3_in1k", (160, 0.95, 70.580, 89.540), (224, 0.95, 72.996, 91.116)),
    ("resnet34.bt_in1k", (224, 0.875, 75.176, 92.166), (288, 0.95, 76.506, 93.342)),
    ("resnet34.gluon_in1k", (224, 0.875, 74.574, 91.988)),
    ("resnet50.a1_in1k", (224, 0.95, 80.382, 94.598), (288, 1.0, 81.240, 95.112)),
    ("resnet50.a1h_in1k", (176, 0.9, 79.264, 94.498), (224, 1.0, 80.654, 95.312)),
    ("resnet50.a2_in1k", (224, 0.95, 79.828, 94.560), (288, 1.0, 80.774, 94.978)),
    ("resnet50.a3_in1k", (160, 0.95, 75.994, 92.494), (224, 0.95, 78.052, 93.780)),
    ("resnet50.am_in1k", (224, 0.875, 79.004, 94.392)),
    ("resnet50.b1k_in1k", (224, 0.95, 79.564, 94.622), (288, 1.0, 80.708, 95.430)),
    ("resnet50.b2k_in1k", (224, 0.95, 79.388, 94.580), (288, 1.0, 80.466, 95.306)),
    ("resnet50.bt_in1k", (224, 0.875, 78.444, 94.274), (288, 0.95, 79.652, 94.908)),
    ("resnet50.c1_in1k", (224, 0.95, 79.766, 94.954), (288, 1.0, 80.928, 95.554)),
    ("resnet50.c2_in1k", (224, 0.95, 79.868, 94.862), (288, 1.0, 80.862, 95.530)),
    ("resnet50.d_in1k", (224, 0.95, 79.904, 94.666), (288, 1.0, 81.012, 95.456)),
    ("resnet50.gluon_in1k", (224, 0.875, 77.580, 93.704)),
    ("resnet50.ra_in1k", (224, 0.875, 78.820, 94.314), (288, 0.95, 79.864, 94.970)),
    ("resnet50.ram_in1k", (224, 0.875, 79.034, 94.386), (288, 0.95, 79.982, 95.038)),
    ("resnet101.a1_in1k", (224, 0.95, 81.494, 95.164), (288, 1.0, 82.326, 95.630)),
    ("resnet101.a1h_in1k", (224, 0.95, 81.950, 95.760), (288, 1.0, 82.796, 96.324)),
    ("resnet101.a2_in1k", (224, 0.95, 81.344, 95.198), (288, 1.0, 82.218, 95.740)),
    ("resnet101.a3_in1k", (160, 0.95, 77.928, 93.686), (224, 0.95, 79.836, 94.608)),
    ("resnet101.gluon_in1k", (224, 0.875, 79.306, 94.538)),
    ("resnet152.a1_in1k", (224, 0.95, 81.998, 95.294), (288, 1.0, 82.742, 95.734)),
    ("resnet152.a1h_in1k", (224, 0.95, 82.818, 96.124), (288, 1.0, 83.494, 96.522)),
    ("resnet152.a2_in1k", (224, 0.95, 81.764, 95.270), (288, 1.0, 82.614, 95.748)),
    ("resnet152.a3_in1k", (160, 0.95, 78.896, 94.140), (224, 0.95, 80.548, 95.004)),
    ("resnet152.gluon_in1k", (224, 0.875, 79.712, 94.720)),
    ("resnext50_32x4d.a1_in1k", (224, 0.95, 80.526, 94.458), (288, 1.0, 81.480, 95.152)),
    ("resnext50_32x4d.a1h_in1k", (224, 0.95, 81.140, 95.320), (288, 1.0, 82.016, 95.934)),
    ("resnext50_32x4d.a2_in1k", (224, 0.95, 80.444, 94.630), (288, 1.0, 81.304, 95.114)),
    ("resnext50_32x4d.a3_in1k", (160, 0.95, 77.732, 93.314), (224, 0.95, 79.258, 94.308)),
    ("resnext50_32x4d.gluon_in1k", (224, 0.875, 79.354, 94.424)),
    ("resnext50_32x4d.ra_in1k", (224, 0.875, 79.800, 94.608), (288, 0.95, 80.720, 95.344)),
    ("resnext101_64x4d.c1_in1k", (224, 0.95, 82.446, 95.920), (288, 1.0, 83.158, 96.370)),
    ("resnext101_64x4d.gluon_in1k", (224, 0.875, 80.640, 95.000)),
    ("wide_resnet50_2.racm_in1k", (224, 0.875, 81.466, 95.544), (288, 0.95, 82.260, 96.062)),
    ("resnet50c.gluon_in1k", (224, 0.875, 78.016, 93.994)),
    ("resnet18d.ra2_in1k", (224, 0.875, 72.296, 90.682), (288, 0.95, 73.790, 91.834)),
    ("resnet34d.ra2_in1k", (224, 0.875, 77.108, 93.372), (288, 0.95, 78.440, 94.348)),
    ("resnet50d.a1_in1k", (224, 0.95, 80.730, 94.678), (288, 1.0, 81.466, 95.218)),
    ("resnet50d.a2_in1k", (224, 0.95, 80.268, 94.642), (288, 1.0, 81.164, 95.100)),
    ("resnet50d.a3_in1k", (160, 0.95, 77.222, 93.256), (224, 0.95, 78.742, 94.236)),
    ("resnet50d.gluon_in1k", (224, 0.875, 79.080, 94.458)),
    ("resnet50d.ra2_in1k", (224, 0.875, 80.546, 95.160), (288, 0.95, 81.354, 95.742)),
    ("resnet101d.gluon_in1k", (224, 0.875, 80.466, 95.034)),
    ("resnet101d.ra2_in1k", (256, 0.95, 82.254, 96.070), (320, 1.0, 83.020, 96.456)),
    ("resnet152d.gluon_in1k", (224, 0.875, 80.476, 95.194)),
    ("resnet152d.ra2_in1k", (256, 0.95, 83.160, 96.370), (320, 1.0, 83.684, 96.750)),
    ("seresnet50.a1_in1k", (224, 0.95, 80.012, 94.704), (288, 1.0, 81.114, 95.122)),
    ("seresnet50.a2_in1k", (224, 0.95, 80.102, 94.720), (288, 1.0, 81.094, 95.230)),
    ("seresnet50.a3_in1k", (160, 0.95, 75.104, 92.096), (224, 0.95, 77.036, 93.072)),
    ("seresnet50.ra2_in1k", (224, 0.875, 80.260, 95.068), (288, 0.95, 81.288, 95.652)),
    ("seresnext50_32x4d.gluon_in1k", (224, 0.875, 79.916, 94.816)),
    ("seresnext50_32x4d.racm_in1k", (224, 0.875, 81.268, 95.624), (288, 0.95, 82.186, 96.146)),
)

# As the first group, but for images scaled to [-1, 1].
APACHE_HALVES = (
    ("resnet34.ra4_e3600_r224_in1k", (224, 0.9, 77.492, 93.498), (288, 1.0, 78.972, 94.454)),
    ("resnet18d.ra4_e3600_r224_in1k", (224, 0.9, 74.356, 91.826), (288, 1.0, 76.012, 92.784)),
    ("resnet50d.ra4_e3600_r224_in1k", (224, 0.95, 80.956, 95.380), (288, 1.0, 81.840, 95.926)),
    ("resnetv2_50.a1h_in1k", (224, 0.95, 80.410, 95.082), (288, 1.0, 81.406, 95.712)),
    ("resnetv2_101.a1h_in1k", (224, 0.95, 82.042, 95.866), (288, 1.0, 83.002, 96.444)),
)

# Copies of torchvision's.
TORCHVISION = (
    ("resnet18.tv_in1k", (224, 0.875, 69.752, 89.082)),
    ("resnet34.tv_in1k", (224, 0.875, 73.298, 91.422)),
    ("resnet50.tv2_in1k", (176, 0.875, 79.434, 94.640), (224, 0.965, 80.846, 95.430)),
    ("resnet50.tv_in1k", (224, 0.875, 76.156, 92.866)),
    ("resnet101.tv2_in1k", (176, 0.875, 79.908, 94.606), (224, 0.965, 81.906, 95.768)),
    ("resnet101.tv_in1k", (224, 0.875, 77.404, 93.552)),
    ("resnet152.tv2_in1k", (176, 0.875, 80.222, 94.650), (224, 0.965, 82.294, 96.000)),
    ("resnet152.tv_in1k", (224, 0.875, 78.330, 94.046)),
    ("resnext50_32x4d.tv2_in1k", (176, 0.875, 79.384, 94.302), (224, 0.965, 81.190, 95.344)),
    ("resnext50_32x4d.tv_in1k", (224, 0.875, 77.632, 93.674)),
    ("resnext101_32x8d.tv2_in1k", (176, 0.875, 81.990, 95.716), (224, 0.965, 82.832, 96.234)),
    ("resnext101_32x8d.tv_in1k", (224, 0.875, 79.308, 94.530)),
    ("resnext101_64x4d.tv_in1k", (224, 0.875, 82.978, 96.252)),
    ("wide_resnet50_2.tv2_in1k", (176, 0.875, 80.442, 95.076), (224, 0.965, 81.612, 95.766)),
    ("wide_resnet50_2.tv_in1k", (224, 0.875, 78.486, 94.084)),
    ("wide_resnet101_2.tv2_in1k", (176, 0.875, 80.494, 94.978), (224, 0.965, 82.514, 96.012)),
    ("wide_resnet101_2.tv_in1k", (224, 0.875, 78.862, 94.312)),
)

# Facebook's semi-supervised and weakly supervised ones, not for commercial use.
FACEBOOK = (
    ("resnet18.fb_ssl_yfcc100m_ft_in1k", (224, 0.875, 72.636, 91.416)),
    ("resnet18.fb_swsl_ig1b_ft_in1k", (224, 0.875, 73.286, 91.754)),
    ("resnet50.fb_ssl_yfcc100m_ft_in1k", (224, 0.875, 79.252, 94.826)),
    ("resnet50.fb_swsl_ig1b_ft_in1k", (224, 0.875, 81.146, 95.980)),
    ("resnext50_32x4d.fb_ssl_yfcc100m_ft_in1k", (224, 0.875, 80.316, 95.386)),
    ("resnext50_32x4d.fb_swsl_ig1b_ft_in1k", (224, 0.875, 82.162, 96.224)),
    ("resnext101_32x8d.fb_ssl_yfcc100m_ft_in1k", (224, 0.875, 81.620, 96.036)),
    ("resnext101_32x8d.fb_swsl_ig1b_ft_in1k", (224, 0.875, 84.276, 97.188)),
    ("resnext101_32x8d.fb_wsl_ig1b_ft_in1k", (224, 0.875, 82.720, 96.624)),
)

HALVES = (0.5, 0.5, 0.5)

# Hash and size that many users of this file have written down.
SHA256 = {"resnet50.a1_in1k": "773525d5821de224f8f30c33377b7a795d7863e08522698200d3217d3f2a41bb"}
MEBIBYTES = {"resnet50.a1_in1k": 97.723}


def _preprocess(size: int, share: float, interpolation: Interpolation, mean: tuple[float, ...]) -> Preprocess:
    """As in timm: the shorter side to floor(size / share), then the centre."""
    return Preprocess(
        size=(size, size),
        resize=floor(size / share),
        interpolation=interpolation,
        mean=mean,
        std=HALVES if mean == HALVES else IMAGENET.std,
        profile="ignore",
    )


def _rows(
    table: Iterable[tuple[str, *Results]],
    licence: str,
    interpolation: Interpolation,
    mean: tuple[float, ...] = IMAGENET.mean,
) -> Iterable[Row]:
    for name, *results in table:
        yield Row(
            name=f"hf:timm/{name}",
            hub="hf",
            path=f"timm/{name}",
            architecture=name.partition(".")[0],
            dialect="timm",
            tested=tuple(
                Tested(preprocess=_preprocess(size, share, interpolation, mean), top1=top1, top5=top5)
                for size, share, top1, top5 in results
            ),
            licence=licence,
            source=f"https://huggingface.co/timm/{name}",
            sha256=SHA256.get(name),
            mebibytes=MEBIBYTES.get(name),
        )


ROWS = (
    *_rows(APACHE, "Apache-2.0", "bicubic"),
    *_rows(APACHE_HALVES, "Apache-2.0", "bicubic", HALVES),
    *_rows(TORCHVISION, "BSD-3-Clause", "bilinear"),
    *_rows(FACEBOOK, "CC-BY-NC-4.0", "bilinear"),
)
