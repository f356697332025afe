"""The modules that the pages run, in node: the same pixels as Pillow, the same logits, and nothing believed unread."""

import json
import os
import runpy
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.layout import GRAPHS
from export.runtime import Classifier
from pixels import crop, open_picture

HERE, ROOT = Path(__file__).parent, Path(__file__).resolve().parents[2]
NODE = shutil.which("node", path=f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}")
PNG = runpy.run_path(str(ROOT / "tests" / "pixels" / "test_png.py"))
HOW = [
    {
        "resize": 32,
        "size": 32,
        "interpolation": "bilinear",
        "mean": [0.491, 0.482, 0.447],
        "std": [0.247, 0.244, 0.262],
    },
    {"resize": 28, "size": 32, "interpolation": "bilinear", "mean": [0.286], "std": [0.353]},
    {"resize": 71, "size": 64, "interpolation": "bicubic", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
    {"resize": 19, "size": 17, "interpolation": "bicubic", "mean": [0.4, 0.5, 0.6, 0.5], "std": [0.2, 0.3, 0.4, 0.5]},
    {"resize": 18, "size": 20, "interpolation": "bilinear", "mean": [0.4, 0.5, 0.6, 0.5], "std": [0.2, 0.3, 0.4, 0.5]},
    {"resize": 45, "size": 24, "interpolation": "bicubic", "mean": [0.3], "std": [0.2]},
]


def random_pictures() -> Iterator[tuple[str, Image.Image]]:
    """Yield pictures of odd sizes in the modes that a PNG can hold, some with long runs of one colour."""
    random = np.random.default_rng(0)
    for number, mode in enumerate(["RGB", "L", "RGBA", "LA", "P", "1", "RGB", "I;16"] * 2):
        width, height = random.integers(1, 120, 2).tolist()
        colours = random.integers(0, 256, (height, width, 4), dtype=np.uint8)
        if number % 2:
            colours = np.where(colours > 128, 255, 0).astype(np.uint8)
        if mode == "I;16":
            yield f"{number}-deep", Image.fromarray(random.integers(0, 65536, (height, width)).astype(np.uint16))
        else:
            rgba = Image.fromarray(colours)
            made = rgba.convert("RGB").quantize(33) if mode == "P" else rgba.convert("RGB" if mode == "1" else mode)
            yield f"{number}-{mode}", made.convert("1") if mode == "1" else made
    yield "32x32", Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8))
    yield "flat", Image.fromarray(random.integers(0, 256, (3, 300, 3), dtype=np.uint8))


@pytest.fixture(scope="session")
def fixtures(tmp_path_factory: pytest.TempPathFactory, odd_pictures: Path) -> Path:
    """Give a folder of PNGs, and of what `pixels.crop` makes of each."""
    folder = tmp_path_factory.mktemp("fixtures")
    for name, picture in random_pictures():
        picture.save(folder / f"{name}.png")
    for kind, depth in PNG["KINDS"]:
        values = PNG["draw"](kind, depth)
        extra = []
        if kind == PNG["PALETTE"]:
            palette = np.random.default_rng(depth).integers(0, 256, (2**depth, 3)).astype(np.uint8)
            extra += [PNG["chunk"](b"PLTE", palette.tobytes()), PNG["chunk"](b"tRNS", palette[:, 0].tobytes())]
        elif kind not in (PNG["GREY_ALPHA"], PNG["RGBA"]):
            extra.append(PNG["chunk"](b"tRNS", values[5, 5].astype(">u2").tobytes()))
        for interlaced in (False, True):
            content = PNG["png"](values, kind, depth, *extra, interlaced=interlaced)
            (folder / f"type{kind}-{depth}{'-interlaced' * interlaced}.png").write_bytes(content)
    plain = Image.open(odd_pictures / "plain.png")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        plain.save(folder / f"turned-{orientation}.png", exif=exif)
    for path in (odd_pictures / "good").glob("*.png"):
        shutil.copyfile(path, folder / path.name)
    told = []
    for path in sorted(folder.glob("*.png")):
        for number, how in enumerate(HOW):
            options = {key: how[key] for key in ("resize", "size", "interpolation")}
            pixels = crop(open_picture(path), **options, channels=len(how["mean"]))
            (folder / f"{path.name}.{number}").write_bytes(pixels.tobytes())
            mean, std = (np.asarray(how[key], np.float32) for key in ("mean", "std"))
            normal = ((pixels / np.float32(255) - mean) / std).transpose(2, 0, 1)
            (folder / f"{path.name}.{number}.f32").write_bytes(normal.astype("<f4").tobytes())
            told.append({"file": path.name, "number": number, "how": how})
    (folder / "crops.json").write_text(json.dumps(told))
    return folder


@pytest.fixture(scope="session")
def bundle(built: Path, fixtures: Path) -> Path:
    """Give a bundle, zipped in both ways beside the fixtures, with what Python's classifier says of a picture."""
    source = built / "bundles" / "diracnet10_cifar-cifar10"
    for method, name in ((zipfile.ZIP_DEFLATED, "deflated"), (zipfile.ZIP_STORED, "stored")):
        with zipfile.ZipFile(fixtures / f"{name}.zip", "w", method) as file:
            for path in sorted(source.rglob("*")):
                file.write(path, Path("net" if name == "deflated" else "") / path.relative_to(source))
    picture = Image.open(ROOT / "docs" / "cat.jpg")
    picture.save(fixtures / "cat.png")
    answers = {}
    for precision, graph in GRAPHS.items():
        for file in (graph.path, graph.pictures):
            net = Classifier(source / file)
            logits = net.logits(net.preprocess(picture)[None])[0]
            top = [[each.label, each.probability] for each in net.predict(picture)[0]]
            answers[file] = {"precision": precision, "logits": logits.tolist(), "top": top}
    (fixtures / "answers.json").write_text(json.dumps(answers))
    return source


@pytest.mark.parametrize("name", ["pixels", "files", "net"])
def test_in_node(name: str, fixtures: Path, bundle: Path) -> None:
    assert NODE, "node is not installed; `make site` brings it"
    environment = {"PATH": os.environ["PATH"], "FIXTURES": str(fixtures), "BUNDLE": str(bundle)}
    done = subprocess.run(
        [NODE, "--test", str(HERE / "engine" / f"{name}.test.mjs")], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
