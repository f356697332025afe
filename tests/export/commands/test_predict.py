"""`diracnet predict`: both runtimes give the same answers, to bad pictures too, and many pictures are streamed."""

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torchvision.transforms import v2

import zoo
from export import export_bundle
from export.__main__ import main
from export.commands.torch_classifier import TorchClassifier
from export.layout import GRAPH, GRAPHS
from export.runtime import Classifier
from export.runtime.answers import answer
from pixels import find_pictures, open_picture
from zoo import Checkpoint, Preprocessing
from zoo.preprocessing import CIFAR
from zoo.reference import open_model

NET = "diracnet16_cifar:cifar10"


class Result(NamedTuple):
    status: int
    output: str
    errors: str


def predict(*arguments: object) -> Result:
    output, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        patch.setattr(sys, "argv", ["diracnet", "predict", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    return Result(ended.value.code or 0, output.getvalue(), errors.getvalue())


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("predicting") / "bundle"
    checkpoint, record = open_model(NET)
    export_bundle(checkpoint, out, record=record)
    return out


@pytest.fixture(scope="module")
def runtimes(bundle: Path) -> tuple[Classifier, TorchClassifier]:
    return Classifier(bundle, threads=1), TorchClassifier(NET)


def logits(net: Any, path: Path) -> NDArray[np.float32] | str:
    try:
        return net.logits(net.preprocess(open_picture(path))[None])[0]
    except (ValueError, FileNotFoundError) as error:
        return str(error)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_both_runtimes_give_the_same_logits_for_odd_pictures(
    runtimes: tuple[Classifier, TorchClassifier], odd_pictures: Path
) -> None:
    with_onnx, with_torch = runtimes
    paths = sorted(odd_pictures.glob("*/*"))
    assert len(paths) > 30
    for path in [*paths, odd_pictures / "none.png"]:
        found, expected = logits(with_onnx, path), logits(with_torch, path)
        if path.parent.name == "good":
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3, err_msg=path.name)
            assert np.argsort(-found)[:5].tolist() == np.argsort(-expected)[:5].tolist()
        else:
            assert isinstance(found, str) and found == expected


PREPARATIONS = {
    "rgb-bilinear": Preprocessing(resize=32, size=32, interpolation="bilinear", mean=CIFAR.mean, std=CIFAR.std),
    "rgb-bicubic": Preprocessing(resize=43, size=30, interpolation="bicubic", mean=(0.4, 0.5, 0.6), std=(0.2,) * 3),
    "grey-bilinear": Preprocessing(resize=35, size=33, interpolation="bilinear", mean=(0.3,), std=(0.4,)),
    "grey-bicubic": Preprocessing(resize=24, size=24, interpolation="bicubic", mean=(0.5,), std=(0.25,)),
}


@pytest.mark.parametrize("name", PREPARATIONS)
def test_same_logits_as_torchvision_and_pytorch_for_pictures_of_any_size(
    name: str, randomised: Callable[[nn.Module], nn.Module], tmp_path: Path
) -> None:
    """With torchvision's own transforms, so that no code is on both sides."""
    how = PREPARATIONS[name]
    net = randomised(zoo.diracnet(depth=10, family="cifar", in_channels=len(how.mean)))
    checkpoint = Checkpoint(form="dirac", spec=net.spec, tag="mine", preprocessing=how, state=net.state_dict())
    export_bundle(checkpoint, tmp_path / "bundle")
    (tmp_path / "bare.onnx").write_bytes((tmp_path / "bundle" / GRAPH).read_bytes())
    classifiers = [Classifier(tmp_path / each, threads=1) for each in ("bundle", "bare.onnx")]
    transforms = v2.Compose(
        [
            v2.RGB() if len(how.mean) == 3 else v2.Grayscale(),
            v2.Resize(how.resize, v2.InterpolationMode(how.interpolation)),
            v2.CenterCrop(how.size),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(how.mean, how.std),
        ]
    )
    generator = np.random.default_rng(0)
    for width, height in [*generator.integers(1, 300, (20, 2)).tolist(), (1, 1), (1, 300), (2000, 7), (7, 2000)]:
        given = Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))
        with torch.inference_mode():
            expected = net(transforms(given)[None])[0].numpy()
        for classifier in classifiers:
            (found,) = classifier.logits(classifier.preprocess(given)[None])
            limit = 1e-3 * max(1, np.abs(expected).max())
            np.testing.assert_allclose(found, expected, rtol=0, atol=limit, err_msg=f"{width}×{height}")
            (answer,) = classifier.predict([given])
            assert [one.label for one in answer] == [f"class {index}" for index in np.argsort(-expected)[:5]]


def test_all_graphs_of_a_bundle_answer(odd_pictures: Path, tmp_path: Path) -> None:
    checkpoint, record = open_model(NET)
    export_bundle(checkpoint, tmp_path / "b", record=record, formats=list(GRAPHS), features=["group2"])
    expected = json.loads(predict(tmp_path / "b", odd_pictures / "good", "--json", "--top", 1).output)
    graphs = {(tmp_path / "b", "--form", name): name for name in GRAPHS}
    graphs |= {
        (tmp_path / "b" / path,): form for form, graph in GRAPHS.items() for path in (graph.path, graph.pictures)
    }
    for graph, form in graphs.items():
        found = predict(*graph, odd_pictures / "good", "--json", "--top", 1)
        assert (found.status, found.errors) == (0, ""), graph
        rows = json.loads(found.output)
        for row, one in zip(rows, expected, strict=True):
            assert row["image"] == one["image"] and len(row["classes"]) == 1
            if form != "int8":  # what is coarser may answer otherwise
                assert row["classes"][0]["label"] == one["classes"][0]["label"]
                assert row["classes"][0]["probability"] == pytest.approx(one["classes"][0]["probability"], abs=0.02)


def test_a_bad_picture_does_not_stop_the_others(bundle: Path, odd_pictures: Path, tmp_path: Path) -> None:
    bad = sorted(path for path in (odd_pictures / "bad").iterdir())
    good = find_pictures([odd_pictures / "good"])
    given = [*bad[:4], *good[:9], *bad[4:], *good[9:], tmp_path / "none.png"]
    lines: dict[str, Result] = {}
    for net in (bundle, bundle / GRAPH, NET):
        found = predict(net, *given, "--json", "--batch-size", 3, "--threads", 2)
        assert found.status == 1
        rows = json.loads(found.output)
        assert [row["image"] for row in rows] == [str(path) for path in given]
        failed = {row["image"]: row["error"] for row in rows if "error" in row}
        assert failed.keys() == {str(path) for path in (*bad, tmp_path / "none.png")}
        assert all(path in text for path, text in failed.items())
        errors = found.errors.splitlines()
        assert errors[:-1] == [f"error: {text}" for text in failed.values()]
        assert errors[-1] == f"error: {len(failed)} of {len(given)} pictures could not be answered"
        lines[str(net)] = predict(net, *given, "--batch-size", 3)
    texts = [result.output for result in lines.values()]
    assert texts[0] == texts[1] == texts[2]
    assert [line.partition(": ")[0] for line in texts[0].splitlines()] == [str(path) for path in good]
    assert {result.errors for result in lines.values()} == {found.errors}


def test_only_bad_pictures(bundle: Path, tmp_path: Path) -> None:
    found = predict(bundle, tmp_path / "none.png", "--json")
    row = {"image": str(tmp_path / "none.png"), "error": f"no picture {tmp_path / 'none.png'}"}
    assert found.status == 1 and json.loads(found.output) == [row]
    assert predict(bundle, tmp_path / "none.png").output == ""


def test_a_folder_is_answered_in_the_order_of_its_names(bundle: Path, odd_pictures: Path) -> None:
    paths = find_pictures([odd_pictures / "good"])
    rows = json.loads(predict(bundle, odd_pictures / "good", "--json", "--top", 2).output)
    assert [row["image"] for row in rows] == [str(path) for path in paths] and len(rows[0]["classes"]) == 2
    alone = [json.loads(predict(bundle, path, "--json", "--top", 2, "--threads", 1).output)[0] for path in paths]
    for row, expected in zip(rows, alone, strict=True):
        for found, one in zip(row["classes"], expected["classes"], strict=True):
            assert found["label"] == one["label"]
            assert found["probability"] == pytest.approx(one["probability"], abs=1e-5)


@pytest.mark.parametrize("readers", [1, 3])
def test_answers_are_streamed(readers: int, runtimes: tuple[Classifier, TorchClassifier], odd_pictures: Path) -> None:
    """However many pictures there are, few are read ahead of the answers taken."""
    read = 0

    def endless() -> Iterator[Path]:
        nonlocal read
        while True:
            read += 1
            yield odd_pictures / ("plain.png" if read % 3 else "bad/text.jpg")

    answers = answer(runtimes[0], endless(), batch_size=4, readers=readers)
    for taken in range(1, 50):
        one = next(answers)
        assert (one.error is None) == (taken % 3 != 0) and bool(one.classes) == (taken % 3 != 0)
        assert read <= taken + 12
    answers.close()


@pytest.mark.parametrize("batch_size", [1, 2, 7, 100])
def test_batches_do_not_change_the_answers(
    batch_size: int, runtimes: tuple[Classifier, TorchClassifier], odd_pictures: Path
) -> None:
    paths = find_pictures([odd_pictures / "good"])
    sizes = []

    class Counting:
        labels, untrained, temperature = runtimes[0].labels, False, 1.0
        preprocess = staticmethod(runtimes[0].preprocess)

        @staticmethod
        def logits(batch: NDArray[np.float32]) -> NDArray[np.float32]:
            sizes.append(len(batch))
            return runtimes[0].logits(batch)

    found = list(answer(Counting(), paths, batch_size=batch_size))
    assert [one.source for one in found] == paths and sum(sizes) == len(paths) and max(sizes) <= batch_size
    assert len(sizes) == -(-len(paths) // batch_size)
    for one in found:
        (expected,) = runtimes[0].predict([open_picture(one.source)])
        assert [each.label for each in one.classes] == [each.label for each in expected]


PROGRAM = """
import sys

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision", "onnx", "safetensors"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Nowhere())
from export.__main__ import main
sys.argv[0] = "diracnet"
main()
"""


def test_predicts_where_torch_cannot_be_imported(bundle: Path, odd_pictures: Path, root: Path, tmp_path: Path) -> None:
    def run(*arguments: object) -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", PROGRAM, "predict", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    for net in (bundle, bundle / GRAPH):
        done = run(net, odd_pictures / "good", "--json")
        assert (done.returncode, done.stderr) == (0, "")
        rows = json.loads(done.stdout)
        expected = json.loads(predict(NET, odd_pictures / "good", "--json").output)
        assert len(rows) == len(expected) > 20
        for row, one in zip(rows, expected, strict=True):
            assert row["image"] == one["image"]
            assert [each["label"] for each in row["classes"]] == [each["label"] for each in one["classes"]]
    lacking = run(NET, odd_pictures / "plain.png")
    assert lacking.returncode == 2 and not lacking.stdout
    assert lacking.stderr == "error: this needs torch: pip install torch torchvision\n"


def test_a_reader_that_goes_away_is_no_error(bundle: Path, odd_pictures: Path, root: Path) -> None:
    command = [sys.executable, "-m", "export", "predict", bundle, *[odd_pictures / "plain.png"] * 2000]
    with subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(root)}
    ) as process:
        assert b"plain.png: " in process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
    assert errors == b"" and process.returncode == 1


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["lines", "json"])
def test_a_progress_bar_does_not_touch_the_answers(
    options: tuple[str, ...], bundle: Path, odd_pictures: Path, root: Path
) -> None:
    command = [sys.executable, "-m", "export", "predict", bundle, odd_pictures / "good", *options]
    environment = {**os.environ, "PYTHONPATH": str(root), "TERM": "xterm"}
    quiet = subprocess.run(command, cwd=root, env=environment, capture_output=True, check=True)
    watched, terminal = pty.openpty()
    with subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=terminal) as process:
        os.close(terminal)
        bar = b""
        with suppress(OSError):  # which ends the reading of a terminal that nobody holds any more
            while part := os.read(watched, 4096):
                bar += part
        output = process.stdout.read()
    os.close(watched)
    assert process.returncode == 0 and output == quiet.stdout and quiet.stderr == b""
    assert b"predicting" in bar and b"100%" in bar


def test_large_pictures_are_answered_without_a_warning(
    bundle: Path, odd_pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Image.open(odd_pictures / "plain.png") as plain:
        plain.resize((60, 60)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)  # Pillow warns above, and refuses above twice as many
    found = predict(bundle, tmp_path / "large.png")
    assert (found.status, found.errors) == (0, "") and "large.png: " in found.output
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1500)
    assert "decompression bomb" in predict(bundle, tmp_path / "large.png").errors


def test_pictures_are_read_the_same_from_files_and_from_pillow(
    runtimes: tuple[Classifier, TorchClassifier], odd_pictures: Path
) -> None:
    """Who opens a file with Pillow, as users of torch.hub do, gets what the command line gets."""
    for name in ("turned-6.png", "grey16.png", "rgba.png", "animated.gif", "float-unit.tif", "palette-transparent.png"):
        path = odd_pictures / "good" / name
        for net in runtimes:
            with Image.open(path) as picture:
                found = net.preprocess(picture)
            np.testing.assert_array_equal(found, net.preprocess(open_picture(path)), err_msg=name)
