"""Inference without PyTorch: the same pixels, logits and answers as PyTorch's path, without importing it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torch import nn

from export import Classifier, emit, export_bundle
from export.layout import GRAPH
from export.runtime import open_picture, rank
from zoo import Checkpoint, Preprocessing
from zoo.preprocessing import CIFAR, IMAGENET
from zoo.reference import open_model

LABELS = tuple(f"label {index}" for index in range(10))
PICTURES = [
    ("RGB", (32, 32)),
    ("RGB", (97, 41)),
    ("L", (41, 97)),
    ("RGBA", (33, 31)),
    ("P", (300, 17)),
    ("CMYK", (5, 8)),
    ("1", (64, 65)),
]


def picture(mode: str = "RGB", size: tuple[int, int] = (40, 30), seed: int = 0) -> Image.Image:
    """Draw pixels at random; smooth ones would hide that a crop is one pixel off."""
    generator = np.random.default_rng([seed, *size])
    drawn = Image.fromarray(generator.integers(0, 256, (size[1], size[0], 4), dtype=np.uint8))
    return drawn if mode == "RGBA" else drawn.convert("RGB").convert(mode)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    untrained, _ = open_model("diracnet10_cifar")
    return replace(untrained, weights="mine", labels=LABELS)


@pytest.fixture(scope="module")
def bundle(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runtime") / "bundle"
    export_bundle(checkpoint, out)
    return out


def graph_with(preprocessing: Preprocessing) -> bytes:
    """Return the smallest net that carries a description."""
    first = nn.Conv2d(len(preprocessing.mean), 2, 1)
    net = nn.Sequential(first, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    description = {"preprocessing": preprocessing.to_dict(), "untrained": True, "id2label": {}}
    return emit(net, description).SerializeToString()


@pytest.mark.parametrize(("mode", "size"), PICTURES)
def test_same_logits_and_classes_as_pytorch(
    mode: str, size: tuple[int, int], checkpoint: Checkpoint, bundle: Path
) -> None:
    classifier, given = Classifier(bundle, threads=1), picture(mode, size)
    with torch.inference_mode():
        expected = checkpoint.model()(checkpoint.preprocessing(given)[None])[0].numpy()
    (found,) = classifier.logits(classifier.preprocess(given)[None])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    (answer,) = classifier.predict([given])
    assert [one.label for one in answer] == [LABELS[index] for index in np.argsort(-expected)[:5]]
    softmax = torch.from_numpy(expected).softmax(0).sort(descending=True).values[:5]
    assert [one.probability for one in answer] == pytest.approx(softmax.tolist(), abs=1e-5)


@pytest.mark.parametrize(
    "preprocessing",
    [
        CIFAR,
        IMAGENET,
        Preprocessing(resize=37, size=30, interpolation="bicubic", mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)),
        Preprocessing(resize=16, size=15, interpolation="bilinear", mean=(0.3,), std=(0.4,)),
    ],
    ids=["cifar", "imagenet", "bicubic", "grey"],
)
def test_same_input_as_pytorch_for_pictures_of_any_size(preprocessing: Preprocessing, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(graph_with(preprocessing))
    classifier = Classifier(tmp_path / "net.onnx")
    sizes = np.random.default_rng(0).integers(1, 400, (20, 2)).tolist()
    for width, height in [*sizes, [preprocessing.resize, preprocessing.resize + 1]]:
        given = picture(size=(width, height))
        expected, found = preprocessing(given).numpy(), classifier.preprocess(given)
        assert found.dtype == np.float32 and found.flags.c_contiguous
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6, err_msg=f"{width}×{height}")


def test_pictures_of_different_sizes_in_one_batch(bundle: Path) -> None:
    classifier = Classifier(bundle)
    given = [picture(mode, size) for mode, size in PICTURES]
    together = classifier.predict(given, top=10)
    assert [answer[0] for answer in together] != [together[0][0]] * len(given)
    for one, answer in zip(given, together, strict=True):
        (alone,) = classifier.predict([one], top=10)
        assert [p.probability for p in answer] == pytest.approx([p.probability for p in alone], abs=1e-5)
        assert sum(p.probability for p in answer) == pytest.approx(1, abs=1e-5)


def test_a_bare_file_answers_as_its_bundle(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes((bundle / GRAPH).read_bytes())
    alone, whole = Classifier(str(tmp_path / "net.onnx")), Classifier(bundle)
    assert alone.description == whole.description
    assert alone.description.items() >= json.loads((bundle / "config.json").read_text(encoding="utf-8")).items()
    assert alone.predict([picture()], top=3) == whole.predict([picture()], top=3)


def test_rank() -> None:
    answer = rank(np.array([1000.0, 1001.0, -1000.0, 1000.0], np.float32), {"1": "cat", "3": "dog"}, top=3)
    assert [one.label for one in answer] == ["cat", "class 0", "dog"]
    e = np.e
    assert [one.probability for one in answer] == pytest.approx([e / (e + 2), 1 / (e + 2), 1 / (e + 2)], rel=1e-6)
    assert len(rank(np.zeros(3, np.float32), {}, top=5)) == 3


SCRIPT = """
import sys
from pathlib import Path
from export.runtime import Classifier, open_picture
(answer,) = Classifier(sys.argv[1]).predict([open_picture(Path(sys.argv[2]))])
assert len(answer) == 5
import export
assert export.Classifier is Classifier
print(sorted(name for name in ("torch", "torchvision", "zoo", "onnx") if name in sys.modules))
"""


def test_torch_is_never_imported(bundle: Path, root: Path, tmp_path: Path) -> None:
    picture().save(tmp_path / "picture.png")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, bundle, tmp_path / "picture.png"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    upright, exif = picture(size=(7, 4)), Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side: turn clockwise by a quarter
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    upright.save(tmp_path / "upright.png")
    found = open_picture(tmp_path / "turned.png")
    assert found.size == (7, 4)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(upright))
    np.testing.assert_array_equal(np.asarray(open_picture(tmp_path / "upright.png")), np.asarray(upright))


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif"])
def test_damaged_pictures_are_named(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"picture.{suffix}"
    picture().save(path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:9], b"", b"no picture at all\n"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"picture\.{suffix} is no picture that can be read"):
            open_picture(path)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^no picture .*none\.png$"):
        open_picture(tmp_path / "none.png")
    with pytest.raises(ValueError, match="is no picture that can be read"):
        open_picture(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"is no bundle: it has no onnx/model\.onnx$"):
        Classifier(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"^no ONNX file .*none\.onnx$"):
        Classifier(tmp_path / "none.onnx")


def damaged(graph: bytes) -> bytes:
    return graph[: len(graph) // 2]


def foreign(graph: bytes) -> bytes:
    model = onnx.load_from_string(graph)
    del model.metadata_props[:]
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (damaged, r"cannot load .*net\.onnx"),
        (lambda graph: b"text", r"cannot load .*net\.onnx"),
        (foreign, r"net\.onnx does not say how to prepare its pictures"),
    ],
    ids=["truncated", "text", "foreign"],
)
def test_other_onnx_files_are_refused(change: Callable, message: str, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(change(graph_with(CIFAR)))
    with pytest.raises(ValueError, match=message):
        Classifier(tmp_path / "net.onnx")
