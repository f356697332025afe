"""The pages' figures are those of the manifests and the reports; drawings have them to scale."""

import io
import math

import numpy as np
import pytest
from PIL import Image

import zoo
from export.layout import GRAPHS
from export.site.chain import chain
from export.site.drawing import draw_chain, draw_curves
from export.site.figures import Reports, names_without_weights, trained, untrained
from export.site.markdown import section, to_html
from export.site.pages import file_size, short
from export.site.pictures import kernel_picture
from zoo.files import read_json
from zoo.nets.registry import MODELS
from zoo.weights.record import all_weights

OURS = [record for record in all_weights().values() if record.folder]


@pytest.mark.parametrize("record", OURS, ids=lambda record: f"{record.model}-{record.tag}")
def test_a_trained_net_s_figures_are_those_of_its_manifest_and_of_the_reports(record, root, tmp_path) -> None:
    for size, graph in enumerate(GRAPHS.values(), start=1):
        (tmp_path / graph.path).parent.mkdir(exist_ok=True)
        (tmp_path / graph.path).write_bytes(bytes(size))
    found = trained(record, tmp_path, Reports.read(root / "docs"))
    reference = f"{record.model}:{record.tag}"
    device = read_json(root / "docs" / "devices.json")["nets"][reference]
    figures = read_json(root / "docs" / "figures.json")["nets"][reference]
    assert found["parameters"] == zoo.count_parameters(record.spec)
    assert found["multiply_adds"] == device["multiply_adds"]
    assert found["device"]["memory"] == device["scratch"] + max(one["stack"] for one in device["boards"].values())
    assert found["int8_top1"] == figures["int8"]["metrics"]["top1"]
    assert found["top1"] == record.metrics["top1"] == figures["fp32"]["metrics"]["top1"]
    assert found["bytes"] == {"fp32": 1, "fp16": 2, "int8": 3}


def test_untrained_names_stand_apart_with_what_is_known(root) -> None:
    reports = Reports.read(root / "docs")
    names = names_without_weights()
    assert not names.keys() & {record.model for record in OURS}
    assert names.keys() | {record.model for record in OURS} == MODELS.keys()
    net = untrained("diracnet18", MODELS["diracnet18"], reports)
    assert net["published_top1"] == 69.63 and 17 < net["ms"]["fp32"] < 18
    assert net["parameters"] == zoo.count_parameters(MODELS["diracnet18"])
    assert untrained("diracnet22_cifar", MODELS["diracnet22_cifar"], reports)["ms"] is None


@pytest.mark.parametrize("name", ["diracnet18", "diracnet34_v1_x0_5", "diracnet10_cifar", "diracnet16_v1_cifar"])
def test_the_chain_has_the_maps_and_channels_that_the_net_computes(name: str) -> None:
    torch = pytest.importorskip("torch")
    spec = MODELS[name]
    size = spec.stem.preprocessing.size
    net = zoo.plain(spec).eval()
    shapes = {}
    for path, module in net.named_modules():
        module.register_forward_hook(lambda module, inputs, output, path=path: shapes.update({path: output.shape}))
    with torch.no_grad():
        net(torch.zeros(1, spec.in_channels, size, size))
    links = chain(spec, size)
    for link in links:
        shape = shapes[link.name]
        assert shape[1] == link.channels and shape[-1] == (link.channels if link.kind == "linear" else link.size)
    assert sum(link.parameters for link in links) == zoo.count_parameters(spec)
    assert {link.activation for link in links} >= {"NCReLU" if spec.version == 1 else "ReLU"}


@pytest.mark.parametrize("name", ["diracnet10_cifar", "diracnet28_cifar", "diracnet34"])
def test_boxes_are_to_scale_and_do_not_touch(name: str) -> None:
    spec = MODELS[name]
    size = spec.stem.preprocessing.size
    drawing = draw_chain(chain(spec, size), size)
    convolutions = [box for box in drawing.boxes if box.link.kind == "conv"]
    heights = {round(box.height / box.link.size, 2) for box in convolutions}
    assert len(heights) == 1
    (thinnest,) = {box.width for box in drawing.boxes if box.link.kind == "pool"}
    slopes = {round((box.width - thinnest) / box.link.channels, 3) for box in convolutions}
    assert max(slopes) - min(slopes) < 1e-2
    edges = [edge for box in drawing.boxes for edge in (box.x, box.x + box.width)]
    assert edges == sorted(edges) and edges[-1] < drawing.width <= 1140


def test_curves_lie_within_their_axes_and_end_at_the_last_value() -> None:
    history = [{"epoch": epoch, "train_top1": 30.0 + 20 * epoch} for epoch in range(3)]
    history[-1]["top1"] = 68.0
    chart = draw_curves(history, {"train_top1": "training", "top1": "test"}, "%")
    train, test = chart.curves
    points = [tuple(map(float, point.split(","))) for point in train.points.split()]
    assert points[-1][0] == chart.width and [curve.last for curve in chart.curves] == [70.0, 68.0]
    assert points == sorted(points) and all(0 <= y <= chart.height for _, y in points)
    assert [label for _, label in chart.up] == ["30%", "40%", "50%", "60%", "70%"]
    assert (train.kind, test.kind) == ("train", "test") and len(test.points.split()) == 1


def test_a_kernel_s_picture_has_a_pixel_a_weight() -> None:
    weight = np.zeros((2, 3, 3, 3), np.float32)
    weight[1, 2, 0, 1] = 4
    weight[0, 0, 1, 1] = -1
    content, width, height = kernel_picture(weight)
    pixels = np.asarray(Image.open(io.BytesIO(content)))
    assert pixels.shape == (height, width, 4) == (3 * 4 - 1, 2 * 4 - 1, 4)
    assert pixels[8, 5, 3] == 255 and pixels[8, 5, 0] > pixels[8, 5, 2]  # orange, the strongest
    assert pixels[1, 1, 3] == round(255 * math.sqrt(1 / 4)) and pixels[1, 1, 2] > pixels[1, 1, 0]  # blue
    assert (pixels[..., 3] > 0).sum() == 2


def test_cards_lose_their_front_matter_and_keep_their_html_as_text() -> None:
    text = "---\nlicense: x\n---\n\n# T\n\n## Use\n\n<b onclick=x>`a` [l](javascript:x)\n\n## Next\n\nmore\n"
    html = to_html(text)
    assert "license" not in html and "<b" not in html and "href" not in html and "<h2>Use</h2>" in html
    assert section(text, "Next") == "more" and section(text, "None") == ""


def test_numbers_have_three_digits() -> None:
    assert [short(value) for value in (244, 75050, 999_999, 26395264, 1.8e9)] == [
        "244",
        "75 k",
        "1 M",
        "26.4 M",
        "1.8 G",
    ]
    assert [file_size(value) for value in (60, 513, 17796, 1476123)] == ["60 B", "513 B", "17.8 kB", "1.48 MB"]
