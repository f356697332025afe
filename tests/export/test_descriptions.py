"""What files say about a net is checked by one schema, whichever file says it and whichever runtime reads it."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnx import helper
from PIL import Image
from safetensors.torch import save_file

import zoo
from export import Classifier, emit, fold
from export.bundle.description import describe
from export.bundle.reader import OpenBundle
from export.commands.torch_classifier import TorchClassifier
from export.layout import METADATA_KEY
from zoo.description import BUNDLE, CHECKPOINT, CONFIG, GRAPH, MANIFEST, REPORT
from zoo.preprocessing import CIFAR
from zoo.schema import MOST_BYTES, DescriptionError, Each, Fields
from zoo.weights.record import Weight

LABELS = ("cat", "dog", "fox")
NAN, INF = float("nan"), float("inf")
NO_OBJECT = [None, [], "x", 1, True]
NO_TEXT = [None, 1, True, [], {}, "", "x" * 1001, "\ud800"]
NO_SIZE = [None, "32", 32.0, True, 0, -1, 4097, 200_000, 10**30, NAN, INF, [32], {}]
NO_NUMBERS = [None, 0.5, "0.5", [], {}, [0.5], [0.5] * 2, [0.5] * 4, ["0.5"] * 3, [True] * 3, [None] * 3, [[0.5]] * 3]
NO_NUMBERS += [[0.5, 0.5, bad] for bad in (NAN, INF, -INF, 1e39, 10**400)]
NO_FLAG = [None, 0, 1, "false", [], {}]
NO_LABELS = [
    ["cat", "dog", each]
    for each in (None, 1, True, "", " ", "a\nb", "a\u2028b", "x" * 501, "\ud800", [], "cat", "cat ")
]
NO_LABELS += [["cat"], ["cat", "dog"], ["cat", "dog", "fox", "owl"]]
NO_LIST = [1, True, "cat", {}]
PERCENTAGES = ("calibration_error", "calibration_error_with_temperature", "corrupted_top1", "uncorrupted_top1")
NO_COUNT = [None, "1", 1.0, True, 0, -1, 10**30, NAN, [], {}]
NO_PERCENTAGE = [None, "1", True, -1, 101, NAN, INF, 10**400, [], {}]
WRONG: dict[str, list[Any]] = {
    "preprocessing.size": NO_SIZE,
    "preprocessing.resize": NO_SIZE,
    "preprocessing.interpolation": [None, 1, True, "", "lanczos", "BILINEAR", ["bilinear"], {}],
    "preprocessing.mean": NO_NUMBERS,
    "preprocessing.std": [*NO_NUMBERS, [0, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, -1], [0.5, 0.5, 1e-45], [0.5, 0.5, 1e-320]],
    "preprocessing.unknown": [1],
    "preprocessing": [[], "x", 1, True],
    "spec": NO_OBJECT,
    "spec.depth": [None, "10", 10.0, True, 0, -10, 11, 10**30, NAN, INF, [], {}],
    "spec.width": [None, "1", True, 0, -1, 1e-9, 2**30, 10**400, NAN, INF, [], {}],
    "spec.family": [None, 1, True, "", "mnist", [], ["cifar"], {}],
    "spec.version": [None, "2", 2.0, True, 0, 3, -1, NAN, [], {}],
    "spec.in_channels": [None, "3", 3.0, True, 0, -3, 10**30, NAN, [], {}],
    "spec.num_classes": [None, "3", 3.0, True, 0, -3, 4, 10**9, 10**30, NAN, [], {}],
    "spec.final_relu": NO_FLAG,
    "spec.unknown": [1],
    "form": [None, 1, True, "", "flat", "Dirac", [], ["dirac"], {}],
    "weights": NO_TEXT,
    "untrained": NO_FLAG,
    "preprocessing_inside": NO_FLAG,
    "features": [None, 1, "group1", {}, [1], [None], [""]],
    "num_classes": [None, "3", 3.0, True, 0, -3, 4, 10**9, NAN, [], {}],
    "labels": [None, *NO_LIST, *NO_LABELS],
    "id2label": [
        *(1, True, "cat", list(LABELS), {"1": "cat", "2": "dog", "3": "fox"}, {"cat": "0", "dog": "1", "fox": "2"}),
        *({str(index): label for index, label in enumerate(labels)} for labels in NO_LABELS),
    ],
    "temperature": [None, "1", True, 0, -1, 0.01, 21, NAN, INF, 10**400, [], {}],
    "figures": NO_OBJECT,
    "figures.test_pictures": NO_COUNT,
    "figures.corrupted_pictures": NO_COUNT,
    "figures.unknown": [1],
    **{f"figures.{precision}": NO_OBJECT for precision in ("fp32", "int8")},
    **{f"figures.{precision}.{key}": NO_PERCENTAGE for precision in ("fp32", "int8") for key in PERCENTAGES},
    "name": NO_TEXT,
    "model": NO_TEXT,
    "tag": NO_TEXT,
    "dataset": NO_TEXT,
    "licence": NO_TEXT,
    "repository": NO_TEXT,
    "revision": NO_TEXT,
    "recipe": NO_OBJECT,
    "provenance": NO_OBJECT,
    "metrics": [
        *NO_OBJECT,
        {"top1": "90"},
        {"top1": None},
        {"top1": True},
        {"top1": NAN},
        {"top1": INF},
        {"top1": [1]},
    ],
    "files": [*NO_OBJECT, {"dirac": None}, {"dirac": "model.safetensors"}],
    "files.dirac.path": [None, 1, "", "/etc/passwd", "../../model.safetensors", []],
    "files.dirac.sha256": [None, 1, "", "0", "z" * 64, "0" * 65, []],
    "files.dirac.size": ["1", 1.0, True, -1, NAN, 10**30, []],
    "files.dirac.unknown": [1],
    "checks": [None, 1, {}, "x", [1], [None]],
    "checks.0.name": NO_TEXT,
    "checks.0.figure": [None, "0", True, NAN, INF, 10**400, []],
    "checks.0.limit": [None, "0", True, NAN, INF, []],
    "checks.0.note": [None, 1, []],
    "checks.0.inputs": [None, 1, []],
}


def whole() -> zoo.Checkpoint:
    net = zoo.diracnet(depth=10, width=0.25, family="cifar", num_classes=3)
    return zoo.Checkpoint.from_model(net, labels=LABELS, preprocessing=CIFAR)


WHOLE = whole()
STATE = {name: tensor.contiguous() for name, tensor in WHOLE.state.items()}
GRAPH_BYTES = emit(fold(zoo.build_from(WHOLE)), {}).SerializeToString()
DESCRIPTION = describe(WHOLE, None)
RECORD = {
    "dataset": "d",
    "licence": "l",
    "repository": "me/net",
    "recipe": {},
    "provenance": {},
    "metrics": {"top1": 90.0},
    "temperature": 1.5,
}


def graph(text: str, folder: Path) -> Path:
    model = onnx.load_from_string(GRAPH_BYTES)
    helper.set_model_props(model, {METADATA_KEY: text})
    onnx.save(model, folder / "net.onnx")
    return folder / "net.onnx"


def checkpoint_file(text: str, folder: Path) -> Path:
    save_file(STATE, folder / "net.safetensors", metadata={"diracnet": text})
    return folder / "net.safetensors"


def repository(text: str, folder: Path) -> Path:
    bare = {**WHOLE.describe(), "labels": [], "preprocessing": None}
    save_file(STATE, folder / "model.safetensors", metadata={"diracnet": json.dumps(bare)})
    return written(text, folder / "config.json").parent


def written(text: str, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    return path


@dataclass(frozen=True)
class Place:
    """Where a description stands: how it is put there, how it is read, and by which rules."""

    rule: Fields
    good: dict[str, Any]
    put: Callable[[str, Path], Path]
    read: Callable[[Path], object]
    file: str


MANIFEST_OF = {
    "model": "m",
    "tag": "t",
    "spec": WHOLE.spec.to_dict(),
    "labels": list(LABELS),
    "revision": "r",
    "preprocessing": CIFAR.to_dict(),
    **RECORD,
    "figures": {
        "test_pictures": 9,
        "corrupted_pictures": 9,
        "fp32": dict.fromkeys(PERCENTAGES, 1.0),
        "int8": dict.fromkeys(PERCENTAGES, 1),
    },
    "files": {"dirac": {"path": "model.safetensors", "sha256": "0" * 64, "size": 1}},
}
PLACES = {
    "graph": Place(GRAPH, {**DESCRIPTION, **RECORD, "preprocessing_inside": False}, graph, Classifier, "net.onnx"),
    "checkpoint": Place(CHECKPOINT, WHOLE.describe(), checkpoint_file, zoo.Checkpoint.load, "net.safetensors"),
    "torch": Place(CHECKPOINT, WHOLE.describe(), checkpoint_file, lambda p: TorchClassifier(str(p)), "net.safetensors"),
    "config": Place(
        CONFIG, {**DESCRIPTION, **RECORD}, repository, lambda path: zoo.load_repository(path, "dirac"), "config.json"
    ),
    "bundle": Place(
        BUNDLE,
        {**DESCRIPTION, **RECORD},
        lambda text, folder: written(text, folder / "config.json").parent,
        lambda path: OpenBundle(path).config,
        "config.json",
    ),
    "manifest": Place(
        MANIFEST,
        MANIFEST_OF,
        lambda text, folder: written(text, folder / "m" / "t" / "manifest.json"),
        Weight.from_manifest,
        "manifest.json",
    ),
}


def keys(rule: Fields, good: Any, before: str = "") -> Iterator[tuple[str, bool]]:
    """Yield the path of every key of a rule that a good description has, and whether it must be there."""
    for name, inner in rule.rules.items():
        yield f"{before}{name}", inner.required
        if isinstance(inner, Fields) and good.get(name):
            yield from keys(inner, good.get(name, {}), f"{before}{name}.")
        elif isinstance(inner, Each) and isinstance(inner.rule, Fields) and good.get(name):
            child = next(iter(good[name])) if isinstance(good[name], dict) else 0
            yield from keys(inner.rule, good[name][child], f"{before}{name}.{child}.")


def changed(good: dict[str, Any], path: str, value: Any = None, *, drop: bool = False) -> dict[str, Any]:
    """Return a copy in which one key has another value, or is missing."""
    bad = copy.deepcopy(good)
    *above, last = path.split(".")
    inner: Any = bad
    for name in above:
        inner = inner[int(name) if isinstance(inner, list) else name]
    if drop:
        del inner[last]
    else:
        inner[last] = value
    return bad


def rows() -> Iterator[Any]:
    for kind, place in PLACES.items():
        for path, required in keys(place.rule, place.good):
            if required:
                yield pytest.param(kind, path, changed(place.good, path, drop=True), id=f"{kind}-{path}-missing")
            for value in WRONG[path]:
                bad = changed(place.good, path, value)
                yield pytest.param(kind, path, bad, id=f"{kind}-{path}-{str(value)[:20]!a}")
        for path in [each for each in WRONG if each.endswith(".unknown")]:
            above = path.removesuffix(".unknown")
            if above in dict(keys(place.rule, place.good)) or (above == "files.dirac" and kind == "manifest"):
                yield pytest.param(kind, path, changed(place.good, path, 1), id=f"{kind}-{path}")


@pytest.mark.parametrize("kind", PLACES)
def test_what_is_right_is_read(kind: str, tmp_path: Path) -> None:
    place = PLACES[kind]
    place.read(place.put(json.dumps(place.good), tmp_path))


@pytest.mark.parametrize(("kind", "path", "bad"), list(rows()))
def test_whatever_is_wrong_is_named(kind: str, path: str, bad: dict[str, Any], tmp_path: Path) -> None:
    place = PLACES[kind]
    file = place.put(json.dumps(bad), tmp_path)
    with pytest.raises(ValueError) as raised:
        place.read(file)
    text = str(raised.value)
    key = path.split(".")[-1] if "unknown" not in path else "unknown"
    assert place.file in text and len(text) < 500
    if (kind, path) != ("config", "form"):  # said before, because without a form it is another library's
        assert isinstance(raised.value, DescriptionError)
        assert key in text or {"labels": "label", "id2label": "label", "num_classes": "classes"}.get(key, "?") in text


def test_the_report_of_a_bundle() -> None:
    good = {
        "name": "n",
        "weights": "w",
        "checks": [{"name": "c", "figure": 0.0, "limit": 1.0, "note": "", "inputs": "i"}],
    }
    REPORT.check(good)
    for path, required in keys(REPORT, good):
        for bad in ([changed(good, path, drop=True)] if required else []) + [
            changed(good, path, value) for value in WRONG.get(path, NO_TEXT)
        ]:
            with pytest.raises(DescriptionError, match=path.split(".")[-1]):
                REPORT.check(bad)


NO_JSON = {
    "empty": "",
    "half": "{",
    "a list": "[]",
    "null": "null",
    "a number": "1",
    "NaN": "NaN",
    "deep": "[" * 100_000,
    "deep objects": '{"a":' * 100_000,
    "a key twice": '{"form": "dirac", "form": "folded"}',
    "digits": '{"size": ' + "9" * 5000 + "}",
    "long": '{"a": "' + "x" * MOST_BYTES + '"}',
}


@pytest.mark.parametrize("text", NO_JSON.values(), ids=NO_JSON)
@pytest.mark.parametrize("kind", PLACES)
def test_what_is_no_object_is_refused(kind: str, text: str, tmp_path: Path) -> None:
    place = PLACES[kind]
    file = place.put(text, tmp_path)
    with pytest.raises(DescriptionError, match=f"{place.file.replace('.', '[.]')} is damaged: "):
        place.read(file)


@pytest.mark.parametrize("kind", ["config", "bundle", "manifest"])
def test_files_that_are_no_text(kind: str, tmp_path: Path) -> None:
    place = PLACES[kind]
    file = place.put("{}", tmp_path)
    path = file / "config.json" if file.is_dir() else file
    path.write_bytes(b'{"\xff": 1}')
    with pytest.raises(DescriptionError, match="is damaged: 'utf-8' codec can't decode"):
        place.read(file)
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match=r"cannot read |without config\.json"):
        place.read(file)


@pytest.mark.parametrize("change", ["mean", "labels", "size", "features"])
def test_a_description_must_fit_its_graph(change: str, tmp_path: Path) -> None:
    good = {**DESCRIPTION, "num_classes": 3}
    grey = {**CIFAR.to_dict(), "mean": [0.5], "std": [0.5]}
    bad = {
        "mean": changed(good, "preprocessing", grey),
        "labels": changed(good, "id2label", {"0": "cat"}),
        "size": good,
        "features": changed(good, "num_classes", 10),
    }[change]
    file = graph(json.dumps(bad), tmp_path)
    if change == "size":
        model = onnx.load(file)
        for axis in (2, 3):
            model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = 24
        onnx.save(model, file)
    message = {
        "mean": "pictures get 1 channels, the net takes 3",
        "labels": "1 labels were given for 3 classes",
        "size": "size=32: the net takes 24×24 pixels",
        "features": "num_classes=10: the net has 3 classes",
    }[change]
    with pytest.raises(DescriptionError, match=f"inside .*net.onnx is damaged: {message}"):
        Classifier(file)


@pytest.mark.parametrize("preprocessing", [{"size": 3}, {"mean": (0.5,), "std": (0.5,)}], ids=str)
def test_a_description_must_fit_its_checkpoint(preprocessing: dict[str, Any]) -> None:
    bad = zoo.Preprocessing(**{**CIFAR.to_dict(), **preprocessing})
    with pytest.raises(DescriptionError, match="the net takes "):
        zoo.Checkpoint.from_model(zoo.build_from(WHOLE), preprocessing=bad)


def test_weights_that_are_not_finite_give_no_answer(tmp_path: Path) -> None:
    state = {**WHOLE.state, "fc.bias": torch.tensor([NAN, 0.0, 0.0])}
    broken = zoo.Checkpoint(**{**vars(WHOLE), "state": state})
    broken.save(tmp_path / "net.safetensors")
    folded = emit(fold(zoo.build_from(broken)), {**DESCRIPTION}).SerializeToString()
    (tmp_path / "net.onnx").write_bytes(folded)
    with pytest.raises(FloatingPointError, match="computes no finite numbers"):
        Classifier(tmp_path / "net.onnx").predict(Image.new("RGB", (32, 32)))
