"""Files to labels, images a second end to end on real JPEGs: plain scripts of the peers, and ours.

    python benchmarks/labels.py [--models resnet18 resnet50 resnet152] [--rounds 5] [--only "ours int8" ...]

Every contestant runs in a process of its own, in turn with the others: networks of torchvision's layout with weights
drawn by chance (speed does not depend on them), the same list of JPEGs, each peer's own way of decoding them to
224x224. A process first labels --warm files, which is left out with importing, compiling and exporting, and then counts
labels until --seconds have gone. Peers that run OpenVINO in int8 as ours does are named as such, and counted apart.
Needs torchvision; timm, transformers, keras and openvino with nncf where they are to take part. Prints medians, and
ours over the others within a round.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain, count, islice, repeat
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any

from machine import machine

Labels = Iterator[int]
"""A label for each file, in order, for ever."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BATCH = 16
PART = "apart: OpenVINO int8 by hand"


def endless(files: list[Path]) -> Iterator[Path]:
    return chain.from_iterable(repeat(files))


def torchvision_script(model: str, files: list[Path]) -> Labels:
    """What a tutorial shows: a DataLoader of two workers, Resize, CenterCrop, eager float32."""
    return _torch_loop(_torchvision(model), _torchvision_transform(), files, lambda x: x)


def torchvision_best(model: str, files: list[Path]) -> Labels:
    """The same in bfloat16 and channels_last."""
    import torch

    network = _torchvision(model).to(memory_format=torch.channels_last, dtype=torch.bfloat16)
    prepare = lambda x: x.to(torch.bfloat16, memory_format=torch.channels_last)  # noqa: E731
    return _torch_loop(network, _torchvision_transform(), files, prepare)


def torchvision_compiled(model: str, files: list[Path]) -> Labels:
    """The same compiled."""
    import torch

    network = _torchvision(model).to(memory_format=torch.channels_last, dtype=torch.bfloat16)
    prepare = lambda x: x.to(torch.bfloat16, memory_format=torch.channels_last)  # noqa: E731
    return _torch_loop(torch.compile(network), _torchvision_transform(), files, prepare)


def timm_best(model: str, files: list[Path]) -> Labels:
    """Timm's network and transform at its best here: bfloat16, channels_last."""
    import timm
    import torch
    from timm.data import create_transform, resolve_data_config

    network = timm.create_model(model).eval()
    transform = create_transform(**resolve_data_config({}, model=network))
    network = network.to(memory_format=torch.channels_last, dtype=torch.bfloat16)
    prepare = lambda x: x.to(torch.bfloat16, memory_format=torch.channels_last)  # noqa: E731
    return _torch_loop(network, transform, files, prepare)


def transformers_pipeline(model: str, files: list[Path]) -> Labels:
    """Transformers' image-classification pipeline in batches."""
    from transformers import ConvNextImageProcessor, ResNetConfig, ResNetForImageClassification, pipeline

    depths = {"resnet18": [2, 2, 2, 2], "resnet50": [3, 4, 6, 3], "resnet152": [3, 8, 36, 3]}[model]
    kind = "basic" if model == "resnet18" else "bottleneck"
    sizes = [64, 128, 256, 512] if kind == "basic" else [256, 512, 1024, 2048]
    config = ResNetConfig(depths=depths, layer_type=kind, hidden_sizes=sizes, num_labels=1000)
    network = ResNetForImageClassification(config).eval()
    processor = ConvNextImageProcessor(size={"shortest_edge": 224}, crop_pct=0.875)
    runs = pipeline("image-classification", model=network, image_processor=processor, device="cpu", batch_size=BATCH)
    return (
        int(found[0]["label"].rpartition("_")[2]) for found in runs((str(path) for path in endless(files)), top_k=1)
    )


def keras_predict(model: str, files: list[Path]) -> Labels:
    """Keras Applications' network and predict, on TensorFlow's own decoding; it has no ResNet-18."""
    import tensorflow as tf
    from keras.applications import resnet

    network = {"resnet50": resnet.ResNet50, "resnet152": resnet.ResNet152}[model](weights=None)

    def read(path: Any) -> Any:
        picture = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        return resnet.preprocess_input(tf.image.resize(picture, (224, 224)))

    while True:
        names = [str(path) for path in islice(endless(files), BATCH * 16)]
        batches = tf.data.Dataset.from_tensor_slices(names).map(read, num_parallel_calls=2).batch(BATCH).prefetch(2)
        yield from network.predict(batches, verbose=0).argmax(1).tolist()


def openvino_by_hand(model: str, files: list[Path]) -> Labels:
    """What a person gets with our engine and precision and no help: a thread decodes, int8 runs in batches."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np
    from PIL import Image

    engine = _int8(model, files)

    def read(path: Path) -> Any:
        with Image.open(path) as opened:
            opened.draft("RGB", (256, 256))
            picture = opened.convert("RGB").resize((256, 256)).crop((16, 16, 240, 240))
        return np.asarray(picture).transpose(2, 0, 1)

    with ThreadPoolExecutor(2) as pool:
        paths = endless(files)
        waiting = pool.map(read, islice(paths, BATCH))
        while True:
            batch = np.stack([*waiting])
            waiting = pool.map(read, islice(paths, BATCH))
            yield from engine.run(batch)["logits"].argmax(1).tolist()


def ours(precision: str) -> Callable[[str, list[Path]], Labels]:
    """`resnets.predict` with the fastest engine of a precision, as `resnets predict` runs it."""

    def labels(model: str, files: list[Path]) -> Labels:
        import resnets
        from resnets.inference.engines import make_engine

        loaded = _ours(model)
        made = {"batch_size": BATCH}
        engine = _int8(model, files) if precision == "int8" else make_engine(loaded, "openvino", precision, **made)
        for found in resnets.predict(loaded, endless(files), engine=engine, batch_size=BATCH, top=1):
            yield int(found.top[0][0])

    return labels


CONTESTANTS = MappingProxyType(
    {
        "torchvision script": torchvision_script,
        "torchvision bf16": torchvision_best,
        "torchvision bf16 compiled": torchvision_compiled,
        "timm bf16": timm_best,
        "transformers pipeline": transformers_pipeline,
        "keras predict": keras_predict,
        PART: openvino_by_hand,
        "ours fp32": ours("fp32"),
        "ours bf16": ours("bf16"),
        "ours int8": ours("int8"),
    }
)


def _torchvision(model: str) -> Any:
    import torchvision

    return getattr(torchvision.models, model)(weights=None).eval()


def _torchvision_transform() -> Any:
    from torchvision import transforms

    steps = transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), transforms.Normalize(MEAN, STD)
    return transforms.Compose(steps)


class Pictures:
    """Files as a data set of torch's."""

    def __init__(self, files: list[Path], transform: Any) -> None:
        self.files, self.transform = files, transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Any:
        from PIL import Image

        with Image.open(self.files[index]) as picture:
            return self.transform(picture.convert("RGB"))


def _torch_loop(network: Any, transform: Any, files: list[Path], prepare: Callable[[Any], Any]) -> Labels:
    import torch

    for _ in count():
        loader = torch.utils.data.DataLoader(Pictures(files * 20, transform), batch_size=BATCH, num_workers=2)
        with torch.inference_mode():
            for batch in loader:
                yield from network(prepare(batch)).argmax(1).tolist()


def _ours(model: str) -> Any:
    import resnets
    from resnets.spec.card import Card
    from resnets.spec.preprocess import Preprocess

    network = resnets.build(model, seed=0).eval()
    policy = Preprocess(resize=256, mean=MEAN, std=STD, decoding="fast")
    card = Card(architecture=network.architecture, classes=tuple(map(str, range(1000))), preprocess=policy)
    return resnets.Model(network, card)


def _int8(model: str, files: list[Path]) -> Any:
    """An int8 engine of ours; its ranges are from the files, for here nobody asks whether the answers are right."""
    import numpy as np

    from resnets.data.decoding.picture import file_pixels
    from resnets.inference.engines import packaged
    from resnets.runtime.fuse import fuse
    from resnets.runtime.lower_onnx import to_onnx
    from resnets.runtime.openvino_engine import OpenVinoEngine, read_onnx
    from resnets.runtime.quantize import quantize
    from resnets.weights.modelfile import Model

    loaded = _ours(model)
    graph = read_onnx(to_onnx(packaged(Model(fuse(loaded.network), loaded.card))))
    ranges = np.stack([file_pixels(path, loaded.card.preprocess) for path in files[:: len(files) // 32]])
    return OpenVinoEngine(quantize(graph, ranges), precision="int8", mode="throughput", batch_size=BATCH)


def one(name: str, model: str, given: argparse.Namespace) -> None:
    """What each process does: label files for a while, and print the rate."""
    labels = CONTESTANTS[name](model, photographs(given.data))
    for _ in islice(labels, given.warm):
        pass
    done, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < given.seconds or done % BATCH:
        next(labels)
        done += 1
    print(json.dumps({"rate": done / passed, "labels": done}), flush=True)
    os._exit(0)  # whatever workers there are


def photographs(data: Path) -> list[Path]:
    found = [*sorted(data.glob("trashnet/*/*/*.jpg")), *sorted(data.glob("imagenet-sample/*.JPEG"))]
    if not found:
        raise SystemExit(f"there are no real JPEGs at {data}; give their folder with --data")
    return found


def measured(name: str, model: str, given: argparse.Namespace) -> float | None:
    """Run one contestant in a process of its own, and return its images a second; None where it has no such network."""
    command = [sys.executable, __file__, "--data", given.data, "--warm", given.warm, "--seconds", given.seconds]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.run(
            [*map(str, command), "--one", name, model], stdout=out, stderr=err, timeout=given.limit, check=False
        )
        out.seek(0)
        err.seek(0)
        rates = [json.loads(text)["rate"] for text in out if text.startswith('{"rate"')]
        if not rates:
            reason = (err.read().strip().splitlines() or [f"exit {process.returncode}"])[-1]
            print(f"  {name} on {model} does not take part: {reason[:200]}", flush=True)
            return None
    rate: float = rates[-1]
    return rate


def main() -> None:
    """Run every contestant in turn, so many times, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--models", nargs="+", default=["resnet18", "resnet50", "resnet152"])
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, help="these contestants alone")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm", type=int, default=96, help="labels that are left out")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds after which a contestant is given up")
    parser.add_argument("--results", type=Path, default=Path("runs/benchmarks/labels.json"))
    parser.add_argument("--one", nargs=2, metavar=("NAME", "MODEL"), help="what each process does")
    given = parser.parse_args()
    if given.one:
        one(*given.one, given)
    names = [name for name in CONTESTANTS if not given.only or name in given.only]
    known: dict[str, Any] = {"machine": machine(), "batch": BATCH, "rounds": []}
    print(json.dumps(known["machine"]), flush=True)
    for number in range(given.rounds):
        for model in given.models:
            turn = names[number % len(names) :] + names[: number % len(names)]
            rates = {name: measured(name, model, given) for name in turn}
            known["rounds"].append({"model": model, "load": os.getloadavg(), "images_per_second": rates})
            given.results.parent.mkdir(parents=True, exist_ok=True)
            given.results.write_text(json.dumps(known, indent=1) + "\n")
            print(f"round {number + 1}, {model}: {rates}", flush=True)
    report(known["rounds"])


def report(rounds: list[dict[str, Any]]) -> None:
    """Print for each model medians, and each of ours over the others within a round."""
    for model in dict.fromkeys(each["model"] for each in rounds):
        its = [each["images_per_second"] for each in rounds if each["model"] == model]
        there = [name for name in CONTESTANTS if all(rates.get(name) for rates in its)]
        mine = [name for name in there if name.startswith("ours")]
        print(f"\n{model}: images/s, median (lowest to highest); then {', '.join(mine)} over it, medians")
        for name in there:
            seen = [rates[name] for rates in its]
            ratios = [median(rates[our] / rates[name] for rates in its) for our in mine]
            spread = f"{median(seen):7.1f}  ({min(seen):.1f} to {max(seen):.1f})"
            print(f"  {name:28}{spread:28}" + "".join(f"{ratio:8.2f}" for ratio in ratios))
        peers = [name for name in there if name not in (*mine, PART)]
        for our in mine if peers else ():
            ratio = median(rates[our] / max(rates[name] for name in peers) for rates in its)
            print(f"  {our} over the best peer in each round: {ratio:.2f}")


if __name__ == "__main__":
    main()
