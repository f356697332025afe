"""`diracnet evaluate --full`: int8 beside float32, calibration and corrupted pictures, of any net and data set."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.figures import measure as benchmark
from export.bundle.accuracy import load_pictures, measure
from export.bundle.reader import OpenBundle
from export.bundle.writer import export_bundle
from export.figures import corruptions, photographs
from export.figures import measure as measuring
from export.figures.pictures import choose
from export.folding.folded import FoldedNet
from export.int8.calibration import PLAIN, calibrate
from export.int8.places import BESIDE
from export.int8.record import Quantization
from export.layout import GRAPHS
from zoo import Checkpoint, DiracNet, Spec, build_from
from zoo.command_line import REMEDIES
from zoo.preprocessing import CIFAR
from zoo.reference import open_model
from zoo.training.evaluate import answer_pictures
from zoo.training.sources import load_test

CLASSES = ("cat", "dog", "猫 $x_1$")
SHIPPED = "diracnet10_cifar:cifar10"


@pytest.fixture(autouse=True)
def few_corruptions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three corruptions, of which frost lacks its photographs."""
    kept = {name: corruptions.CORRUPTIONS[name] for name in ("contrast", "frost", "fog")}
    for module in (corruptions, benchmark):
        monkeypatch.setattr(module, "CORRUPTIONS", kept)
    monkeypatch.setattr(photographs, "find_spec", lambda name: None)


def draw(folder: Path, label: str, pictures: np.ndarray) -> None:
    (folder / label).mkdir(parents=True)
    for index, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / label / f"{index}.png")


def patterns(count: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, 4, 4, 3), np.uint8).repeat(8, 1).repeat(8, 2)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight test pictures of each of three classes."""
    folder = tmp_path_factory.mktemp("data")
    for seed, label in enumerate(CLASSES):
        draw(folder / "test", label, patterns(8, seed))
    return folder


def make(path: Path, randomised: Callable, **fields: object) -> Path:
    spec = Spec(depth=10, width=0.25, family="cifar", num_classes=3, **fields)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = randomised(DiracNet(spec)).state_dict()
    how = CIFAR.with_channels(spec.in_channels)
    Checkpoint(form="dirac", spec=spec, tag="mine", labels=CLASSES, preprocessing=how, state=state).save(path)
    return path


@pytest.fixture(scope="module")
def net(randomised: Callable, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint file with its quantization beside it."""
    path = make(tmp_path_factory.mktemp("net") / "model.safetensors", randomised)
    folded, pictures = FoldedNet.of(Checkpoint.load(path)), load_test(str(data), CIFAR)
    record = calibrate(folded.net, pictures.images, CIFAR, method=PLAIN, origin={"source": "test"})
    record.save(path.parent / BESIDE)
    return path


def test_the_temperature_that_was_fitted_becomes_the_bundle_s(
    diracnet: Callable, net: Path, data: Path, tmp_path: Path
) -> None:
    figures, bundle = tmp_path / "figures.json", tmp_path / "bundle"
    assert diracnet("evaluate", net, "--data", data, "--full", "--corrupted", 0, "--out", figures)[0] == 0
    value = json.loads(figures.read_text(encoding="utf-8"))

    def exported(full: object, out: Path) -> tuple[int, str]:
        figures.write_text(json.dumps({**value, "full": full}), encoding="utf-8")
        status, _, errors = diracnet("export", net, "--figures", figures, "--out", out)
        return status, errors

    assert exported({**value["full"], "temperature": 1.7}, bundle)[0] == 0
    assert json.loads((bundle / "config.json").read_text(encoding="utf-8"))["temperature"] == 1.7
    assert "divided by 1.7, the temperature" in " ".join((bundle / "README.md").read_text(encoding="utf-8").split())
    picture = data / "test" / "cat" / "0.png"
    by_graph, by_torch, without = (
        [answer["probability"] for answer in json.loads(diracnet("predict", model, picture, "--json")[1])[0]["classes"]]
        for model in (bundle, bundle / "model.safetensors", net)
    )
    assert by_graph == pytest.approx(by_torch, abs=1e-4) and by_graph[0] < without[0] - 1e-3
    assert json.loads(diracnet("evaluate", bundle, "--data", data, "--json")[1])["calibration"]["temperature"] == 1.7
    assert exported({**value["full"], "temperature": None}, tmp_path / "without")[0] == 0
    assert "temperature" not in json.loads((tmp_path / "without" / "config.json").read_text(encoding="utf-8"))
    for full in ({"temperature": 0}, {"temperature": "warm"}, ["warm"]):
        status, errors = exported(full, tmp_path / "wrong")
        assert status == 2 and "is not what diracnet evaluate --out writes" in errors
        assert not (tmp_path / "wrong").exists()


def test_a_file_and_its_bundle_are_measured_alike_and_the_figures_go_on_the_card(
    diracnet: Callable, net: Path, data: Path, tmp_path: Path
) -> None:
    figures = tmp_path / "figures.json"
    call = ("--data", data, "--full", "--corrupted", 12, "--json")
    status, output, errors = diracnet("evaluate", net, *call, "--out", figures)
    assert status == 0 and errors.count("frost is left out") == 1 and "pip install 'diracnet-zoo[figures]'" in errors
    assert "int8 is left out" not in errors
    found = json.loads(output)
    expected = answer_pictures(build_from(Checkpoint.load(net)), load_test(str(data), CIFAR), CIFAR)
    full, plain = found["full"], json.loads(diracnet("evaluate", net, "--data", data, "--json")[1])
    assert full["fp32"]["metrics"] == pytest.approx(expected.metrics(), abs=1e-4)
    assert full["fp32"]["confusion"] == found["confusion"] == plain["confusion"]
    assert found["data_sha256"] == plain["data_sha256"] and found["classes"] == plain["classes"]
    assert full["corrupted_pictures"] == 12 and full["classes"] == list(CLASSES)
    for precision in ("fp32", "int8"):
        assert list(full[precision]["corruptions"]) == ["none", "contrast", "fog"]
        assert list(full[precision]["corruptions"]["fog"]) == ["1", "3", "5"]

    exported = diracnet("export", net, "--figures", figures, "--out", tmp_path / "carded")
    assert exported[0] == 0, exported
    top1 = f"{full['fp32']['metrics']['top1']:.2f}%"
    assert f"| top-1 | {top1} |" in (tmp_path / "carded" / "README.md").read_text(encoding="utf-8")

    # Graphs in a bundle give what was measured, and the bundle has its quantization with it.
    bundle, record = tmp_path / "bundle", Quantization.load(net.parent / BESIDE)
    export_bundle(Checkpoint.load(net), bundle, formats=["int8"], quantization=record)
    opened = OpenBundle(bundle)
    measured = {each.graph: each.metrics for each in measure(opened, load_pictures(opened, str(data)))}
    for precision in ("fp32", "int8"):
        assert full[precision]["metrics"] == pytest.approx(measured[GRAPHS[precision].path], abs=1e-6)
    again = json.loads(diracnet("evaluate", bundle, *call)[1])["full"]
    for precision in ("fp32", "int8"):
        assert again[precision]["corruptions"] == full[precision]["corruptions"]


def test_people_get_three_tables(diracnet: Callable, net: Path, data: Path) -> None:
    call = ("evaluate", net, "--data", data, "--full", "--corrupted", 12)
    full = json.loads(diracnet(*call, "--json")[1])["full"]
    status, output, _ = diracnet(*call)
    lines = output.splitlines()
    assert status == 0 and lines[0].endswith("on 24 test pictures") and lines[1].split() == ["fp32", "int8"]
    for line, figure in (
        ("top-1 ", [full[each]["metrics"]["top1"] for each in ("fp32", "int8")]),
        ("calibration error", [full[each]["calibration"]["as computed"]["error"] for each in ("fp32", "int8")]),
        ("top-1, 12 corrupted in 2 ways", [measuring.corrupted_mean(full[each]) for each in ("fp32", "int8")]),
        ("top-1, the same 12 clean", [full[each]["corruptions"]["none"] for each in ("fp32", "int8")]),
    ):
        (row,) = (each for each in lines if each.startswith(line) and "%" in each and each[len(line) :].count("%") == 2)
        assert row.removeprefix(line).split() == [f"{each:.2f}%" for each in figure]
    rows = lines[lines.index("The classes:") + 2 :][:3]
    assert [row.split("  ")[0].strip() for row in rows] == list(CLASSES) and all(row.count("%") == 2 for row in rows)
    fog = next(line for line in lines if line.startswith("fog"))
    expected = [full[each]["corruptions"]["fog"][severity] for severity in "135" for each in ("fp32", "int8")]
    assert fog.split()[1:] == [f"{each:.1f}" for each in expected]
    assert "made at the size of the net's input" in output


def test_the_benchmark_tells_what_it_lacks_before_it_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "open_model", None)
    with pytest.raises(ModuleNotFoundError, match="imagecorruptions-imaug") as raised:
        benchmark.measure([SHIPPED], "no data", lambda text: None)
    assert REMEDIES[str(raised.value.name)] == "'diracnet-zoo[figures]'"


def test_its_numbers_are_those_of_the_benchmark(
    diracnet: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On pictures that carry the net's own answers as labels, three quarters of them."""
    kept = {"fog": corruptions.CORRUPTIONS["fog"]}
    for module in (corruptions, benchmark):
        monkeypatch.setattr(module, "CORRUPTIONS", kept)
    checkpoint, record = open_model(SHIPPED)
    pictures = patterns(200, 0)
    answers = build_from(checkpoint).eval()(CIFAR.normalize(torch.from_numpy(pictures).permute(0, 3, 1, 2))).argmax(1)
    answers[::4] = torch.arange(50) % 10
    for half in ("train", "test"):
        for index, label in enumerate(record.labels):
            draw(tmp_path / half, label, pictures[(answers == index).numpy()])
    data = f"cifar10-jpeg75:{tmp_path}"
    expected = benchmark.measure([SHIPPED], data, lambda text: None, count=50)[SHIPPED]
    status, output, errors = diracnet("evaluate", SHIPPED, "--data", data, "--full", "--corrupted", 50, "--json")
    full = json.loads(output)["full"]
    assert status == 0 and full["corrupted_at"] == "the data set's own size", errors
    shared = ("test_pictures", "classes", "corrupted_pictures", "temperature", "temperatures_of_halves")
    assert {key: full[key] for key in shared} == {key: expected[key] for key in shared}
    for precision in ("fp32", "int8"):
        own = full[precision]["calibration"].pop("with its own temperature")
        assert own["error"] != full[precision]["calibration"]["as computed"]["error"]
        assert full[precision]["corruptions"] == expected[precision]["corruptions"]
        assert full[precision]["confusion"] == expected[precision]["confusion"]
        for key in ("as computed", "with temperature"):
            error, other = (each[precision]["calibration"][key]["error"] for each in (full, expected))
            assert error == pytest.approx(other, abs=1e-3)  # there one thread, here as many as there are


def test_without_quantization_int8_is_left_out_with_the_remedy(
    diracnet: Callable, net: Path, data: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "model.safetensors"
    shutil.copy(net, alone)
    status, output, errors = diracnet("evaluate", alone, "--data", data, "--full", "--corrupted", 0, "--json")
    full = json.loads(output)["full"]
    assert status == 0 and "int8" not in full and "corruptions" not in full["fp32"] and full["corrupted_pictures"] == 0
    remedy = f"diracnet quantize {alone} --calibration DATA --out {tmp_path / 'quantization.safetensors'}"
    assert errors.count("int8 is left out") == 1 and remedy in errors
    assert "frost" not in errors
    text = diracnet("evaluate", alone, "--data", data, "--full", "--corrupted", 0)[1]
    _, table = text.split("\n", 1)
    assert "corrupt" not in table and "int8" not in table and "fp32" in table


def test_another_nets_quantization_is_refused(diracnet: Callable, net: Path, data: Path, tmp_path: Path) -> None:
    checkpoint = Checkpoint.load(net)
    other = {name: each * 2 if name == "fc.weight" else each for name, each in checkpoint.state.items()}
    replace(checkpoint, state=other).save(tmp_path / "model.safetensors")
    (tmp_path / "onnx").mkdir()
    shutil.copy(net.parent / "quantization.safetensors", tmp_path / "onnx")
    status, output, errors = diracnet("evaluate", tmp_path / "model.safetensors", "--data", data, "--full")
    assert (status, output) == (2, "") and "is the quantization of another net: " in errors


def test_what_cannot_be_corrupted_is_refused_before_pictures_are_read(
    diracnet: Callable, net: Path, data: Path, tmp_path: Path, randomised: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.figures.pictures.load_test", None)
    rgba = make(tmp_path / "rgba.safetensors", randomised, in_channels=4)
    small = replace(Checkpoint.load(net), preprocessing=replace(CIFAR, size=16, resize=16))
    small.save(tmp_path / "small.safetensors")
    for arguments, message in (
        ((rgba,), "takes RGBA pictures, and the corruptions are for grey and RGB ones; leave the corruptions out"),
        ((tmp_path / "small.safetensors",), "at 16×16 pixels, and the corruptions need 28×28 at least; leave the"),
        ((net, "--corrupted", 2), "--corrupted 2: "),
        ((net, "--corrupted", -1), "--corrupted -1: allowed are 0, for none, and whole numbers above it"),
        ((net, "--form", "folded"), "--form folded: --full measures the graphs of the folded net; leave --form out"),
    ):
        status, output, errors = diracnet(
            "evaluate", *arguments, "--data", data, "--full", "--out", tmp_path / "f.json"
        )
        assert (status, output) == (2, "") and message in errors, errors
    status, _, errors = diracnet("evaluate", net, "--data", data, "--corrupted", 12)
    assert status == 2 and "--corrupted 12 is for --full; add it, or leave --corrupted out" in errors
    for name in ("scipy", "export.figures.corruptions", "export.figures.warps"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "scipy", None)
    status, _, errors = diracnet("evaluate", net, "--data", data, "--full")
    assert status == 2 and "this needs scipy: pip install 'diracnet-zoo[train]'" in errors
    assert not (tmp_path / "f.json").exists()


def test_pictures_are_chosen_by_class_and_large_ones_corrupted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = torch.arange(10).repeat(40)
    chosen = choose(targets, 50)
    assert targets[chosen].bincount().tolist() == [5] * 10 and len(choose(targets, 1000)) == 400
    images = torch.from_numpy(patterns(6, 0))
    whole = measuring._corrupted(images, "fog", 3)
    monkeypatch.setattr(measuring, "_TOGETHER", 2 * images[0].numel())
    parts = measuring._corrupted(images, "fog", 3)
    assert parts.shape == whole.shape and (parts == measuring._corrupted(images, "fog", 3)).all()
    first = corruptions.corrupt(images[:2].numpy(), "fog", 3)
    assert (parts[:2].numpy() == first).all() and (parts[2:4] != parts[:2]).any()
