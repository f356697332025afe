"""The benchmarks: what they compare is what they say, and docs/benchmarks.md is made of their figures."""

import itertools
import json
import re
from pathlib import Path

import onnx
import pytest
import torch

import zoo
from benchmarks import bars, pairs, training
from benchmarks.__main__ import PARTS
from benchmarks.inference import SETTINGS
from benchmarks.nets import NETS, multiply_adds, pictures, quantize_as_all, trace, write_onnx
from benchmarks.page import page, summary
from benchmarks.process import cost, median
from benchmarks.report import fill, spread, table, write_report
from benchmarks.runners import eager, onnx_runtime
from export import fold

ROOT = Path(__file__).resolve().parent.parent
RESULT = json.loads((ROOT / "docs" / "benchmarks.json").read_text(encoding="utf-8"))


def test_the_page_is_made_of_the_figures() -> None:
    assert (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8") == page(RESULT)
    assert RESULT.keys() == PARTS.keys()
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", page(RESULT))
    assert len(pictures) == 2 and all((ROOT / "docs" / path).is_file() for path in pictures)
    assert summary(RESULT["inference"]) in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_page_s_findings_are_those_of_the_figures() -> None:
    found, part = page(RESULT).split("## How it was measured")[0], RESULT["inference"]
    times = {name: net["ms"]["median"] for name, net in part["times"][0]["nets"].items()}
    for other in ("MobileNetV3-large", "RepVGG-A0"):
        assert times[other] < times["DiracNet-18"]
        assert part["nets"][other]["top1"] > part["nets"]["DiracNet-34"]["top1"]
    missed = [row["name"] for row in RESULT["bars"]["bars"] if row["median"] > row["bar"]]
    steps = {training.product_name(precision): limit for precision, limit in training.LIMITS.items()}
    missed += [name for name, limit in steps.items() if RESULT["training"]["ratios"][name]["median"] > limit]
    count = len(bars.BARS) + len(steps)
    assert f"{count - len(missed)} of {count} bars are met" in found
    assert all(name in found for name in missed)


def test_a_report_is_made_of_what_was_written(tmp_path: Path) -> None:
    (tmp_path / "template.md").write_text("{speed[median]:.2f}, {speed[a / b: c]}\n", encoding="utf-8")
    record, result = tmp_path / "speed.json", {"speed": {"median": 3.4321, "a / b: c": "ä"}}
    assert write_report(record, result, lambda read: fill(tmp_path / "template.md", read), needed=["speed"])
    assert json.loads(record.read_text(encoding="utf-8")) == result
    assert (tmp_path / "speed.md").read_text(encoding="utf-8") == "3.43, ä\n"


def test_figures_are_kept_while_a_page_lacks_some(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not write_report(tmp_path / "a.json", {"one": 1}, lambda read: "", needed=["one", "two"])
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert "its page needs two too" in capsys.readouterr().out


def test_a_table_has_a_line_for_each_row() -> None:
    assert table(["a", "b"], [[1, "x"], ["–", 2.5]]) == "| a | b |\n|---|---|\n| 1 | x |\n| – | 2.5 |"
    assert spread({"low": 0.5, "median": 0.625, "high": 1.0}, 3) == "0.625 (0.500 – 1.000)"


def test_the_bars_are_those_that_the_code_names() -> None:
    found = RESULT["bars"]["bars"]
    assert [row["bar"] for row in found] == [bar.limit for bar in bars.BARS]
    assert all(row["low"] <= row["median"] <= row["high"] for row in found)
    assert {row["rounds"] for row in found[:4]} == {bars.ROUNDS}


def test_all_nets_were_measured_in_all_settings() -> None:
    part = RESULT["inference"]
    settings = [{key: table[key] for key in ("runtime", "precision", "batch", "rounds")} for table in part["times"]]
    assert settings == [setting._asdict() for setting in SETTINGS]
    assert all(table["nets"].keys() == NETS.keys() for table in part["times"])
    for name, net in part["nets"].items():
        assert (net["top1"], net["source"]) == (NETS[name].top1, NETS[name].source)


def test_the_published_accuracies_are_the_registry_s() -> None:
    for name in ("diracnet18", "diracnet34"):
        published = zoo.get_weight(name, "imagenet1k").metrics["top1"]
        assert NETS[f"DiracNet-{name.removeprefix('diracnet')}"].top1 == published


def test_rounds_alternate_and_ratios_are_taken_within_a_round() -> None:
    now, order = [0.0], []

    def call(name: str, seconds: float) -> None:
        order.append(name)
        # The machine becomes slower from call to call: only neighbours can be compared.
        now[0] += seconds * 1.01 ** len(order)

    case = pairs.Case("x", lambda: call("a", 3), lambda: call("b", 1), rounds=40, clock=lambda: now[0])
    found = pairs.paired(case)
    assert found.rounds == 40 and len(order) == 2 * (40 + pairs.WARM_UP)
    firsts = [order[index] for index in range(0, len(order), 2)]
    assert firsts.count("a") == firsts.count("b")
    assert 2.9 < found.low <= found.median <= found.high < 3.1
    assert found.first_ms / found.second_ms == pytest.approx(3, rel=0.05)


def test_each_call_of_a_rotation_stands_at_each_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "WARM_UP", 0)
    order: list[str] = []
    names = "abc"
    times = pairs.rotate({name: lambda name=name: order.append(name) for name in names}, rounds=6)
    rounds = ["".join(order[start : start + 3]) for start in range(0, len(order), 3)]
    assert sorted(map("".join, itertools.permutations(names))) == sorted(rounds)
    assert {name: len(found) for name, found in times.items()} == dict.fromkeys(names, 6)


def test_multiply_adds_are_the_published_ones() -> None:
    assert multiply_adds(NETS["DiracNet-18"].build()) == pytest.approx(1.797e9, rel=2e-3)


def test_the_matrix_product_has_the_net_s_multiply_adds() -> None:
    net = zoo.plain(zoo.get_spec("diracnet18_x0_5")).eval()
    (product,) = bars.matrix_product(net)()
    assert product.shape[0] * product.shape[1] * 1024 == pytest.approx(multiply_adds(net), rel=2e-3)


def test_the_original_s_formulation_computes_the_same() -> None:
    net = zoo.get_model("diracnet10_cifar").eval()
    given = torch.randn(2, 3, 32, 32)
    expected = net(given)
    torch.testing.assert_close(training._dense(net)(given), expected)
    assert not any(isinstance(module, zoo.DiracConv2d) for module in net.modules())


def test_both_pipelines_give_pictures_of_a_step() -> None:
    images, targets, _ = next(training._batches())
    assert images.shape == training._one_by_one()().shape == (training.BATCH, 3, 32, 32)
    assert len(targets) == training.BATCH


def test_all_runners_compute_the_net(tmp_path: Path) -> None:
    net = fold(zoo.get_model("diracnet18_x0_5").eval())
    batch = pictures(2, 64)
    write_onnx(net, tmp_path / "net.onnx")
    (expected,) = onnx_runtime(tmp_path / "net.onnx", batch)()
    torch.testing.assert_close(eager(net, batch)(), torch.from_numpy(expected), rtol=1e-3, atol=1e-4)


def test_other_nets_are_traced_with_a_free_batch_and_quantized_whole(tmp_path: Path) -> None:
    net = torch.nn.Module()
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1))
    net = torch.nn.Sequential(net, torch.nn.Flatten(), torch.nn.Linear(8, 4)).eval()
    trace(net, tmp_path / "net.onnx")
    (single,) = onnx_runtime(tmp_path / "net.onnx", pictures(3))()
    quantize_as_all(tmp_path / "net.onnx", tmp_path / "int8.onnx")
    (whole,) = onnx_runtime(tmp_path / "int8.onnx", pictures(3))()
    assert single.shape == whole.shape == (3, 4)
    assert abs(whole - single).max() < 0.05 * abs(single).max()
    kinds = [node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node]
    assert kinds.count("QuantizeLinear") >= 3
    assert {path.name for path in tmp_path.iterdir()} == {"net.onnx", "int8.onnx"}


def test_the_cost_of_a_process_is_its_own() -> None:
    small = cost(["-c", "pass"])
    large = cost(["-c", "x = bytearray(300_000_000); x[::4096] = x[::4096]"])
    assert large.memory_mb > small.memory_mb + 250
    assert small.wall_seconds > 0 and median([large, small, large]) is large
    with pytest.raises(RuntimeError, match="ended with 3"):
        cost(["-c", "raise SystemExit(3)"])


def test_every_case_of_training_is_measured() -> None:
    assert {case.name for case in training.cases()} == set(RESULT["training"]["ratios"])
