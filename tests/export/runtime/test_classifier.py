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
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import nn

import zoo
from export import Classifier, emit, export_bundle
from export.layout import GRAPH, GRAPHS, INPUT, METADATA_KEY
from export.runtime.ranking import rank
from zoo import Checkpoint, Preprocessing, build_from
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
    return replace(untrained, tag="mine", labels=LABELS)


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
        expected = build_from(checkpoint)(checkpoint.preprocessing(given)[None])[0].numpy()
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
    config = json.loads((bundle / "config.json").read_text(encoding="utf-8"))
    own = {"architecture", "bundle_format", "model_args", "pretrained_cfg"}  # of config.json alone
    assert all(alone.description[key] == config[key] for key in config.keys() - own)
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
from export.runtime import Classifier
from pixels import open_picture
(answer,) = Classifier(sys.argv[1]).predict([open_picture(Path(sys.argv[2]))])
assert len(answer) == 5
import export
assert export.Classifier is Classifier
print(sorted(name for name in ("torch", "torchvision", "huggingface_hub", "zoo.nets", "onnx") if name in sys.modules))
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


def test_what_is_no_net_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"is not a bundle: it has no onnx/model\.onnx$"):
        Classifier(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"^no such file or folder: .*none\.onnx$"):
        Classifier(tmp_path / "none.onnx")


def taking_pictures(graph: bytes) -> bytes:
    """Return the graph with CIFAR's preprocessing in front, for uint8 (batch, size, size, channels)."""
    model = onnx.load_from_string(graph)
    values = {"by": 255.0, "mean": CIFAR.mean, "std": CIFAR.std}
    for name, value in values.items():
        array = np.asarray(value, np.float32).reshape(1, -1, 1, 1)
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    steps = [
        helper.make_node("Transpose", ["given"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["floats", "by"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "std"], [INPUT]),
    ]
    nodes = [*steps, *model.graph.node]
    del model.graph.node[:], model.graph.input[:]
    model.graph.node.extend(nodes)
    model.graph.input.append(helper.make_tensor_value_info("given", TensorProto.UINT8, ["batch", 32, 32, 3]))
    return described(model, preprocessing_inside=True)


def described(model: onnx.ModelProto, **changes: object) -> bytes:
    description = {**json.loads(model.metadata_props[0].value), **changes}
    helper.set_model_props(model, {METADATA_KEY: json.dumps(description)})
    return model.SerializeToString()


def test_graphs_that_take_pictures_and_give_features(bundle: Path, tmp_path: Path) -> None:
    plain = Classifier(bundle, threads=1)
    raw = onnx.load_from_string(taking_pictures((bundle / GRAPH).read_bytes()))
    hidden = next(node for node in raw.graph.node if node.op_type == "GlobalAveragePool").output[0]
    feature = helper.make_tensor_value_info(hidden, TensorProto.FLOAT, None)
    outputs = [feature, *raw.graph.output]  # the logits are found by their name, not by their place
    del raw.graph.output[:]
    raw.graph.output.extend(outputs)
    (tmp_path / "raw.onnx").write_bytes(raw.SerializeToString())
    classifier = Classifier(tmp_path / "raw.onnx", threads=1)
    given = [picture(mode, size) for mode, size in PICTURES]
    batch = np.stack([classifier.preprocess(one) for one in given])
    assert batch.dtype == np.uint8 and batch.shape == (len(given), 32, 32, 3)
    expected = plain.logits(np.stack([plain.preprocess(one) for one in given]))
    np.testing.assert_allclose(classifier.logits(batch), expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    for found, one in zip(classifier.predict(given), plain.predict(given), strict=True):
        assert [each.label for each in found] == [each.label for each in one]


def test_a_graph_that_contradicts_its_metadata_is_refused(bundle: Path, tmp_path: Path) -> None:
    """To normalize twice, or not at all, gives answers that look like answers."""
    graph = (bundle / GRAPH).read_bytes()
    contradictions = (
        described(onnx.load_from_string(graph), preprocessing_inside=True),
        described(onnx.load_from_string(taking_pictures(graph)), preprocessing_inside=False),
    )
    for contradiction in contradictions:
        (tmp_path / "net.onnx").write_bytes(contradiction)
        with pytest.raises(ValueError, match=r"net\.onnx contradicts itself on its preprocessing"):
            Classifier(tmp_path / "net.onnx")


def test_forms_of_a_bundle(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Classifier(bundle, precision="fp32").description == Classifier(bundle).description
    with pytest.raises(ValueError, match=r"precision='fp8': .*bundle has fp32"):
        Classifier(bundle, precision="fp8")
    with pytest.raises(
        ValueError, match=r"precision='fp32' chooses between the graphs of a bundle, and .*onnx is one file"
    ):
        Classifier(bundle / GRAPH, precision="fp32")
    (tmp_path / "onnx").mkdir()
    for name in (GRAPH, "onnx/other.onnx"):
        (tmp_path / name).write_bytes(described(onnx.load(bundle / GRAPH), weights=name))
    monkeypatch.setitem(GRAPHS, "other", replace(GRAPHS["fp32"], path="onnx/other.onnx"))
    assert Classifier(tmp_path, precision="other").description["weights"] == "onnx/other.onnx"
    assert Classifier(tmp_path).description["weights"] == GRAPH


def test_providers(bundle: Path) -> None:
    expected = Classifier(bundle).predict([picture()])
    assert Classifier(bundle, providers=["CPUExecutionProvider"]).predict([picture()]) == expected
    for given in ("CPUExecutionProvider", [("CPUExecutionProvider", {})]):
        assert Classifier(bundle, providers=given).predict([picture()]) == expected
    for wrong in (
        None,
        3,
        [3],
        {"CPUExecutionProvider": {}},
        [("CPUExecutionProvider",)],
        [("CPUExecutionProvider", 1)],
    ):
        with pytest.raises(TypeError, match=r"^providers=.*: must be a name, or a list of names and of pairs"):
            Classifier(bundle, providers=wrong)
    for wrong, named in ((["CUDA", "CPUExecutionProvider"], "CUDA"), ([], "none is named"), ("CUDA", "CUDA")):
        with pytest.raises(ValueError, match=rf"providers: {named}: this ONNX Runtime has .*CPUExecutionProvider"):
            Classifier(bundle, providers=wrong)


def damaged(graph: bytes) -> bytes:
    return graph[: len(graph) // 2]


def foreign(graph: bytes) -> bytes:
    model = onnx.load_from_string(graph)
    del model.metadata_props[:]
    return model.SerializeToString()


def undescribed(graph: bytes) -> bytes:
    model = onnx.load_from_string(graph)
    helper.set_model_props(model, {METADATA_KEY: json.dumps({"untrained": True})})
    return model.SerializeToString()


def garbled(graph: bytes) -> bytes:
    model = onnx.load_from_string(graph)
    helper.set_model_props(model, {METADATA_KEY: "{"})
    return model.SerializeToString()


def renamed(graph: bytes) -> bytes:
    return graph.replace(b"logits", b"scores")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (damaged, r"cannot load .*net\.onnx"),
        (lambda graph: b"text", r"cannot load .*net\.onnx"),
        (foreign, r"net\.onnx does not say how to prepare its pictures"),
        (undescribed, r"net\.onnx is damaged: preprocessing, id2label are missing$"),
        (garbled, r"the description inside .*net\.onnx is damaged"),
        (renamed, r"net\.onnx is not a classifier: it needs one input, and an output named 'logits'"),
    ],
    ids=["truncated", "text", "foreign", "undescribed", "garbled", "renamed"],
)
def test_other_onnx_files_are_refused(change: Callable, message: str, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(change(graph_with(CIFAR)))
    with pytest.raises(ValueError, match=message):
        Classifier(tmp_path / "net.onnx")


@pytest.mark.parametrize("threads", [-1, 1.0, "2", True, None, 10**9])
def test_a_number_of_threads_that_is_none_is_refused(threads: object, bundle: Path) -> None:
    with pytest.raises(
        ValueError, match=r"^threads=.*: must be a whole number from 0 \(ONNX Runtime chooses\) to 1024$"
    ):
        Classifier(bundle, threads=threads)


def test_pictures_are_given_in_any_way_that_has_one_meaning(bundle: Path, tmp_path: Path) -> None:
    classifier = Classifier(bundle, threads=1)
    one, other = picture(), picture(seed=1)
    one.save(tmp_path / "one.png")
    (expected,) = classifier.predict([one])
    array = np.asarray(one)
    for given in (one, str(tmp_path / "one.png"), tmp_path / "one.png", array, array[None], (one,), iter([one])):
        assert classifier.predict(given) == [expected]
    both = classifier.predict([one, other])
    for given in (
        [array, other],
        np.stack([array, np.asarray(other)]),
        (each for each in (tmp_path / "one.png", other)),
    ):
        assert classifier.predict(given) == both
    assert classifier.predict(array[:, ::-1].copy()) == classifier.predict(array[:, ::-1])  # strides do not matter
    grey = picture("L")
    for given in (np.asarray(grey), np.asarray(grey)[..., None]):
        assert classifier.predict(given) == classifier.predict(grey)
    seen = picture("RGBA")
    assert classifier.predict(np.asarray(seen)) == classifier.predict(seen)
    assert classifier.predict([]) == [] == classifier.predict(np.zeros((0, 8, 8, 3), np.uint8))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (None, "pictures is of type NoneType"),
        (3, "pictures is of type int"),
        (b"\x89PNG", "pictures is of type bytes"),
        ({"a.png": 1}, "pictures is of type dict"),
        (torch.zeros(3, 8, 8), r"pictures is Tensor of torch\.float32 \(3, 8, 8\)"),
        (np.zeros((8, 8, 3)), r"pictures is ndarray of float64 \(8, 8, 3\)"),
        (np.zeros((3, 8, 8), np.uint8), r"pictures is ndarray of uint8 \(3, 8, 8\)"),
        (np.zeros(8, np.uint8), r"pictures is ndarray of uint8 \(8,\)"),
        ([[picture()]], r"pictures\[0\] is of type list"),
        ([picture(), None], r"pictures\[1\] is of type NoneType"),
        ([picture(), b""], r"pictures\[1\] is of type bytes"),
    ],
)
def test_what_is_no_picture_is_named(given: object, named: str, bundle: Path) -> None:
    with pytest.raises(TypeError, match=rf"^{named}: must be a Pillow picture, the path of a file, or a uint8 array"):
        Classifier(bundle).predict(given)


def test_files_that_are_no_pictures(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("text")
    with pytest.raises(ValueError, match=r"text\.png is not a readable picture"):
        Classifier(bundle).predict(tmp_path / "text.png")
    with pytest.raises(FileNotFoundError, match=r"no picture .*none\.png"):
        Classifier(bundle).predict([str(tmp_path / "none.png")])


def test_top(bundle: Path) -> None:
    classifier = Classifier(bundle)
    assert [len(classifier.predict(picture(), top=top)[0]) for top in (1, 10, 11, 10**6)] == [1, 10, 10, 10]
    for wrong, error in ((0, ValueError), (-1, ValueError), (1.0, TypeError), (None, TypeError), (True, TypeError)):
        with pytest.raises(error, match=rf"^top={wrong}: must be "):
            classifier.predict(picture(), top=wrong)


def test_repr(bundle: Path) -> None:
    expected = f"<Classifier {bundle / GRAPH}: 3×32×32 to 10 classes, CPUExecutionProvider>"
    assert repr(Classifier(bundle)) == expected


def test_a_graph_with_a_fixed_batch(bundle: Path, tmp_path: Path) -> None:
    """As tools leave it that fix shapes, such as onnxsim and those of phones."""
    model = onnx.load(bundle / GRAPH)
    for value in (model.graph.input[0], *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, tmp_path / "one.onnx")
    given = [picture(seed=seed) for seed in range(3)]
    found, expected = (Classifier(path).predict(given) for path in (tmp_path / "one.onnx", bundle))
    for one, other in zip(found, expected, strict=True):
        assert [each.label for each in one] == [each.label for each in other]
    for value in (model.graph.input[0], *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(model, tmp_path / "two.onnx")
    with pytest.raises(ValueError, match="the graph takes 2 pictures at a time, not 3"):
        Classifier(tmp_path / "two.onnx").predict(given)


def test_a_batch_that_the_net_does_not_take(bundle: Path) -> None:
    with pytest.raises(ValueError, match=r"^ONNX Runtime cannot run .*model\.onnx: "):
        Classifier(bundle).logits(np.zeros((1, 5, 32, 32), np.float32))


def test_a_folder_with_a_net_for_pytorch_alone(tmp_path: Path) -> None:
    zoo.get_model("diracnet10_cifar").save_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"it has no onnx/model\.onnx; `diracnet export .* --out BUNDLE` makes"):
        Classifier(tmp_path)
