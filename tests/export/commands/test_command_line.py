"""The command line: what each command prints and writes, and how it ends."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image

import zoo
from export.bundle.sums import write_sums
from export.layout import GRAPH
from zoo.command_line import run
from zoo.files import sha256
from zoo.weights.locate import load_weight
from zoo.weights.record import MANIFEST, Weight

DIGITS = ("train", "--recipe", "digits", "--data", "digits")


def words(text: str) -> str:
    """Undo the line breaks of a terminal of 80 columns."""
    return " ".join(text.split())


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "p.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def bundle(diracnet: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "b"
    result = diracnet("export", "diracnet10_cifar", "--out", out)
    assert (result.status, result.errors) == (0, "")
    first, second = result.output.splitlines()
    assert re.fullmatch(r".*/b: diracnet10_cifar \(untrained\), \d+ files, \d\.\d MB", first)
    assert re.fullmatch(r"31 checks passed; the nearest to its limit, .*, has \d+% of it", second)
    return out


@pytest.fixture(scope="module")
def finished(diracnet: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "r"
    result = diracnet(*DIGITS, "--epochs", 2, "--out", out)
    assert result.status == 0
    assert "on 359 test pictures" in words(result.output)
    assert "epoch 2/2" in result.errors
    return out


def test_list(diracnet: Callable) -> None:
    result = diracnet("list", "diracnet34*")
    assert result.status == 0 and not result.errors
    assert "diracnet34_v1_x0_5" in result.output and "diracnet18" not in result.output
    rows = diracnet("list", "*cifar", "--json").value
    assert [row["name"] for row in rows] == zoo.list_models("*cifar")
    by_name = {row["name"]: row for row in rows}
    assert by_name["diracnet10_cifar"]["weights"] == zoo.list_weights("diracnet10_cifar")
    net = zoo.get_model("diracnet10_v1_cifar", folded=True)
    assert by_name["diracnet10_v1_cifar"]["parameters"] == sum(p.numel() for p in net.parameters())


def test_info(diracnet: Callable, bundle: Path) -> None:
    net = diracnet("info", "diracnet18_v1", "--json").value
    assert net["smallest picture"] == 29 and net["spec"]["version"] == 1 and "metrics" not in net
    assert net["parameters, training form"] > net["parameters, folded"] > 1e7
    weights = diracnet("info", "diracnet18:imagenet1k", "--json").value
    assert diracnet("info", bundle / "model.safetensors", "--json").value["form"] == "folded"
    assert weights["metrics"]["top1"] == 69.63 and len(weights["labels"]) == 1000
    text = diracnet("info", "diracnet18:imagenet1k").output
    assert "smallest picture" in text and "… (1000)" in text and "69.63" in text


def test_export_prints_its_report(diracnet: Callable, tmp_path: Path, bundle: Path) -> None:
    report = diracnet("export", "diracnet10_v1_cifar", "--out", tmp_path / "b", "--json").value
    assert report == json.loads((tmp_path / "b" / "report.json").read_text(encoding="utf-8"))
    assert report["name"] == "diracnet10_v1_cifar" and all(check["passed"] for check in report["checks"])
    before = sha256(bundle / "SHA256SUMS")
    again = diracnet("export", "diracnet10_cifar", "--out", bundle)
    assert again.status == 2 and "exists already" in again.errors and sha256(bundle / "SHA256SUMS") == before


def test_how_much_is_printed(diracnet: Callable, bundle: Path, tmp_path: Path) -> None:
    quiet, short, long = (diracnet("verify", bundle, *flags) for flags in (["-q"], [], ["-v"]))
    assert quiet == (0, "", "")
    assert re.fullmatch(rf"{bundle}: 33 checks passed; the nearest to its limit, .*, has \d+% of it\n", short.output)
    assert re.search(r"fp32: PyTorch / ONNX Runtime +│ 4 +│ \d\.\de-\d\d │ 0\.0001", long.output)
    assert long.output.endswith(short.output)
    damaged = tmp_path / "b"
    shutil.copytree(bundle, damaged)
    (damaged / "README.md").write_text("another card\n")
    for flags in (["-q"], ["-v"]):
        result = diracnet("verify", damaged, *flags)
        assert result.status == 1 and "README.md is altered" in result.errors and "passed" not in result.output
        assert ("files that differ" in words(result.output)) == (flags != ["-q"])
    assert diracnet("export", "diracnet10_cifar", "--out", tmp_path / "q", "--quiet") == (0, "", "")
    listed = diracnet("export", "diracnet10_cifar", "--out", tmp_path / "v", "--verbose").output
    assert all(path.name in listed for path in bundle.rglob("*.onnx")) and "fp32: PyTorch / ONNX Runtime" in listed


def test_export_writes_the_formats_features_and_labels_that_are_asked_for(
    diracnet: Callable, finished: Path, tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_text("".join(f"digit {index}\n" for index in range(10)), encoding="utf-8")
    command = ("--formats", "fp16", "--feature", "group1", "--feature", "view", "--labels", tmp_path / "labels.txt")
    result = diracnet("export", finished / "model.safetensors", *command, "--out", tmp_path / "b")
    assert result.status == 0
    graphs = {"model.onnx", "model_pictures.onnx", "model_fp16.onnx", "model_fp16_pictures.onnx"}
    assert graphs <= {path.name for path in (tmp_path / "b" / "onnx").iterdir()}
    config = json.loads((tmp_path / "b" / "config.json").read_text(encoding="utf-8"))
    assert config["features"] == ["group1", "view"] and config["id2label"]["3"] == "digit 3"
    for graph in graphs:
        session = onnxruntime.InferenceSession(tmp_path / "b" / "onnx" / graph)
        assert [output.name for output in session.get_outputs()] == ["logits", "group1", "view"]
    assert (tmp_path / "b/labels.txt").read_bytes() == (tmp_path / "labels.txt").read_bytes()
    assert diracnet("verify", tmp_path / "b").status == 0


def test_verify_measures_accuracy(diracnet: Callable, finished: Path, tmp_path: Path) -> None:
    trained = json.loads((finished / "result.json").read_text(encoding="utf-8"))
    assert diracnet("export", finished / "model.safetensors", "--out", tmp_path / "b").status == 0
    report = diracnet("verify", tmp_path / "b", "--data", "digits", "--json").value
    assert all(check["passed"] for check in report["checks"])
    assert [one["graph"] for one in report["accuracy"]] == ["onnx/model.onnx", "onnx/model_pictures.onnx"]
    for one in report["accuracy"]:
        assert one["metrics"] == pytest.approx(trained["metrics"], rel=1e-4) and one["agreement"] == 100
    text = diracnet("verify", tmp_path / "b", "--data", "digits")
    assert text.status == 0 and f"{trained['metrics']['top1']:.2f}%" in text.output
    assert diracnet("verify", tmp_path / "b", "--json").value["accuracy"] == []


def test_predict_gives_the_same_answers_from_every_source(diracnet: Callable, bundle: Path, picture: Path) -> None:
    sources = (bundle, bundle / "onnx/model.onnx", "diracnet10_cifar", bundle / "dirac/model.safetensors")
    results = [diracnet("predict", source, picture, picture, "--top", 3, "--json") for source in sources]
    for result in results:
        assert result.status == 0 and len(result.value) == 2
        for row in result.value:
            assert row["image"] == str(picture) and row["untrained"] is True and len(row["classes"]) == 3
            for one, expected in zip(row["classes"], results[0].value[0]["classes"], strict=True):
                assert one["label"] == expected["label"]
                assert one["probability"] == pytest.approx(expected["probability"], abs=1e-5)


def test_predict_warns_of_untrained_weights(diracnet: Callable, bundle: Path, picture: Path, finished: Path) -> None:
    result = diracnet("predict", bundle, picture)
    assert result.status == 0 and "is untrained: these answers mean nothing" in words(result.errors)
    assert words(result.output).count("%") == 5 and "p.png: class " in words(result.output)
    trained = diracnet("predict", finished / "model.safetensors", picture)
    assert trained.status == 0 and not trained.errors and "class" not in trained.output


def test_names_of_pictures_are_printed_as_they_are(
    diracnet: Callable, bundle: Path, picture: Path, tmp_path: Path
) -> None:
    odd = tmp_path / ("long" * 30 + "[b]cat[") / "x].png"
    odd.parent.mkdir()
    odd.write_bytes(picture.read_bytes())
    assert diracnet("predict", bundle, odd).output.startswith(f"{odd}: class ")


def test_a_finished_run_is_given_back_and_guarded(diracnet: Callable, finished: Path) -> None:
    before = sha256(finished / "state.pt")
    again = diracnet(*DIGITS, "--epochs", 2, "--out", finished, "--json")
    assert again.value == json.loads((finished / "result.json").read_text(encoding="utf-8"))
    other = diracnet(*DIGITS, "--epochs", 3, "--out", finished)
    assert other.status == 2 and "recipe.epochs=2, not 3" in other.errors
    assert sha256(finished / "state.pt") == before


def test_evaluate_measures_what_training_measured(diracnet: Callable, finished: Path) -> None:
    trained = json.loads((finished / "result.json").read_text(encoding="utf-8"))
    model = finished / "model.safetensors"
    result = diracnet("evaluate", model, "--data", "digits", "--json").value
    assert result["metrics"] == pytest.approx(trained["metrics"]) and result["pictures"] == 359
    text = diracnet("evaluate", model, "--data", "digits").output
    assert f"top-1 {trained['metrics']['top1']:.2f}%" in words(text)
    other = diracnet("evaluate", model, "--data", "digits", "--form", "folded")
    assert other.status == 2 and "dirac form, not in folded form" in other.errors


def test_ship(diracnet: Callable, finished: Path, tmp_path: Path) -> None:
    command = ("--tag", "digits", "--dataset", "digits", "--checkpoints", tmp_path / "checkpoints")
    result = diracnet("ship", finished, *command)
    folder = tmp_path / "checkpoints" / "diracnet10_cifar" / "digits"
    assert result.status == 0 and folder.is_dir()
    record = Weight.from_manifest(folder / MANIFEST)
    trained = json.loads((finished / "result.json").read_text(encoding="utf-8"))
    assert record.metrics == trained["metrics"] and record.dataset == "Digits" and record.licence == "Apache-2.0"
    assert (folder / "metrics.jsonl").read_bytes() == (finished / "metrics.jsonl").read_bytes()
    digits = torch.randn(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    forms = [load_weight(record, form) for form in ("dirac", "folded")]
    assert {checkpoint.tag for checkpoint in forms} == {"digits"}
    training, folded = (zoo.build_from(checkpoint)(digits) for checkpoint in forms)
    torch.testing.assert_close(folded, training, rtol=0, atol=1e-5 * training.abs().max().item())
    assert "init" not in record.provenance
    again = diracnet("ship", finished, *command)
    assert again.status == 2 and "exists already" in again.errors


def test_a_shipped_net_needs_a_name_for_its_data_and_a_place(
    diracnet: Callable, finished: Path, tmp_path: Path, monkeypatch
) -> None:
    named = diracnet(
        "ship", finished, "--tag", "t", "--dataset", "my pets", "--license", "mit", "--checkpoints", tmp_path
    )
    record = Weight.from_manifest(tmp_path / "diracnet10_cifar" / "t" / MANIFEST)
    assert named.status == 0 and (record.dataset, record.licence) == ("my pets", "MIT")
    assert diracnet("ship", finished, "--tag", "u", "--checkpoints", tmp_path).status == 0
    assert Weight.from_manifest(tmp_path / "diracnet10_cifar" / "u" / MANIFEST).dataset == "Digits"
    # Where the command is called makes no difference: the entry belongs to the clone, or to the folder that is named.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("export.release.ship.clone", lambda: tmp_path / "clone")
    assert diracnet("ship", finished, "--tag", "t").status == 0
    assert (tmp_path / "clone" / "diracnet10_cifar" / "t" / MANIFEST).is_file() and not Path("checkpoints").exists()
    monkeypatch.setattr("export.release.ship.clone", lambda: None)
    refused = diracnet("ship", finished, "--tag", "t")
    assert refused.status == 2 and "name a folder with --checkpoints" in words(refused.errors)
    assert not Path("checkpoints").exists()


def test_the_card_of_a_run_says_what_the_run_knows(diracnet: Callable, finished: Path, tmp_path: Path) -> None:
    result = json.loads((finished / "result.json").read_text(encoding="utf-8"))
    moved = shutil.copy(finished / "model.safetensors", tmp_path / "elsewhere.safetensors")
    for index, model in enumerate((finished, moved)):
        out = tmp_path / f"b{index}"
        assert diracnet("export", model, "--licence", "cc-by-4.0", "--dataset", "my digits", "--out", out).status == 0
        card = ModelCard((out / "README.md").read_text(encoding="utf-8"))
        (figure,) = (each for each in card.data.eval_results if each.metric_type == "accuracy")
        assert figure.metric_value == pytest.approx(result["metrics"]["top1"], abs=1e-4)
        assert (figure.dataset_name, figure.dataset_type, card.data.license) == ("my digits", "my-digits", "cc-by-4.0")
        text = words(card.text)
        assert "On my digits (last epoch, no test-time augmentation, 359 test pictures)" in text
        assert "0, 1, 2, 3, 4, 5, 6, 7, 8, 9" in text and "my digits: 1,438 to train on and 359 to measure on" in text
        assert "diracnet train --recipe digits --epochs 2 --seed 0 --data digits --out RUN" in text
        assert "CC-BY-4.0." in text and "measured |" in text and "OWNER/diracnet-zoo" in text
        assert diracnet("verify", out).status == 0
    # The bundle's own files go on saying it, and what config.json says must agree with them.
    again = diracnet("export", tmp_path / "b0" / "dirac" / "model.safetensors", "--out", tmp_path / "again")
    assert again.status == 0 and (tmp_path / "again" / "config.json").read_bytes() == (out / "config.json").read_bytes()
    config = (out / "config.json").read_text(encoding="utf-8")
    (out / "config.json").write_text(config.replace('"CC-BY-4.0"', '"MIT"'), encoding="utf-8")
    write_sums(out)
    refused = diracnet("verify", out)
    assert refused.status == 1 and "config.json is not what follows from" in refused.errors + refused.output


def test_a_bundle_is_written_again_with_what_its_publisher_says(
    diracnet: Callable, finished: Path, tmp_path: Path, monkeypatch
) -> None:
    published = []
    monkeypatch.setattr("export.hub.publish.push", lambda folder, *_, **options: published.append(folder) or 1 / 0)
    out = tmp_path / "b"
    flags = ("--formats", "fp16", "--feature", "group1", "--out", out)
    assert diracnet("export", finished, *flags).status == 0
    before = (out / "SHA256SUMS").read_bytes()
    said = ("publish", out, "--repo-id", "me/net", "--licence", "mit", "--dataset", "my digits")
    for more in (("--dry-run",), ()):
        with pytest.raises(ZeroDivisionError):
            diracnet(*said, *more)
        assert ((out / "SHA256SUMS").read_bytes() == before) == bool(more)
    assert published[0] != out and published[1] == out and not published[0].exists()
    card = ModelCard((out / "README.md").read_text(encoding="utf-8"))
    assert card.data.license == "mit" and "On my digits (" in card.text
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert config["features"] == ["group1"] and (out / "onnx" / "model_fp16.onnx").is_file()
    assert diracnet("verify", out).status == 0


def test_measured_figures_go_on_the_card(diracnet: Callable, finished: Path, tmp_path: Path) -> None:
    net, figures = tmp_path / "own.safetensors", tmp_path / "f.json"
    own = zoo.Checkpoint.load(finished / "model.safetensors")
    replace(own, facts=zoo.Facts()).save(net)  # from a loop of one's own, which says nothing
    measured = diracnet("evaluate", net, "--data", "digits", "--out", figures, "--json").value
    assert diracnet("export", net, "--figures", figures, "--out", tmp_path / "b").status == 0
    card = ModelCard((tmp_path / "b" / "README.md").read_text(encoding="utf-8"))
    (figure,) = (each for each in card.data.eval_results if each.metric_type == "accuracy")
    assert figure.metric_value == pytest.approx(measured["metrics"]["top1"], abs=1e-4)
    assert figure.dataset_name == "Digits" and "no test-time augmentation, 359 test pictures" in card.text
    assert "Measured on " in card.text
    value = json.loads(figures.read_text(encoding="utf-8"))
    for changed, message in (({"digest": "0"}, "are of another net"), ({"metrics": {"top1": 101}}, "must be a number")):
        figures.write_text(json.dumps({**value, **changed}), encoding="utf-8")
        refused = diracnet("export", net, "--figures", figures, "--out", tmp_path / "c")
        assert refused.status == 2 and message in words(refused.errors) and not (tmp_path / "c").exists()


def test_a_shipped_net_says_which_weights_it_was_trained_from(
    diracnet: Callable, finished: Path, tmp_path: Path
) -> None:
    first = finished / "model.safetensors"
    # With the default recipe, which says what a new net starts from, too.
    run = ("train", "--data", "digits", "--epochs", 1, "--init", first, "--out", tmp_path / "run")
    assert diracnet(*run).status == 0
    refused = diracnet(*run, "--beta", 0.5)
    assert refused.status == 2 and "beta=0.5: only a new net starts so" in refused.errors
    tuned = ("--tag", "digits", "--dataset", "digits", "--checkpoints", tmp_path / "checkpoints")
    assert diracnet("ship", tmp_path / "run", *tuned).status == 0
    record = Weight.from_manifest(tmp_path / "checkpoints" / "diracnet10_cifar" / "digits" / MANIFEST)
    assert record.provenance["init"] == {"weights": "trained", "digest": zoo.Checkpoint.load(first).digest()}
    assert record.provenance["base"] == "diracnet10_cifar (trained)"


def test_a_run_that_held_pictures_out_is_not_shipped(diracnet: Callable, tmp_path: Path) -> None:
    assert diracnet(*DIGITS, "--epochs", 1, "--holdout", 0.2, "--out", tmp_path / "r").status == 0
    result = diracnet("ship", tmp_path / "r", "--tag", "t", "--dataset", "digits", "--checkpoints", tmp_path / "c")
    assert result.status == 2 and "held out 20% of its pictures" in result.errors
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("file", "description", "checks"),
    [
        ("v2-imagenet-18-0.125-folded.pth", "diracnet18_x0_125, folded form", 22),
        ("v2-cifar10-16-0.5.pth", "diracnet16_x0_5_cifar, dirac form", 31),
        ("v1-cifar10-16-0.5.pth", "diracnet16_v1_x0_5_cifar, dirac form", 31),
    ],
)
def test_upstreams_files_become_bundles(
    diracnet: Callable, file: str, description: str, checks: int, root: Path, tmp_path: Path
) -> None:
    imported = diracnet("import-upstream", root / "tests" / "golden" / file, "--out", tmp_path / "net.safetensors")
    assert imported.status == 0 and description in imported.output
    exported = diracnet("export", tmp_path / "net.safetensors", "--out", tmp_path / "b")
    assert exported.status == 0 and f"{checks} checks passed" in exported.output
    assert (tmp_path / "b/dirac").exists() == ("dirac form" in description)


WRONG = [
    ("info diracnet11_cifar", "no model is named 'diracnet11_cifar'; nearest are diracnet1"),
    ("info diracnet18:nope", "diracnet18 has no weights 'nope': its tags are imagenet1k"),
    ("export nonsense --out OUT", "no model is named 'nonsense'"),
    ("export diracnet10_cifar:nope --out OUT", "has no weights 'nope'"),
    ("export NONE.safetensors --out OUT", "no such file or folder"),
    ("export TEXT --out OUT", "is not a safetensors file, or is damaged"),
    ("export diracnet10_cifar --formats fp8 --out OUT", "formats: 'fp8' is unknown; allowed are fp32, fp16"),
    ("export diracnet10_cifar --feature group7 --out OUT", "no feature 'group7'; its features are conv, "),
    ("export diracnet10_cifar --labels NONE.txt --out OUT", "no file of labels"),
    ("export diracnet10_cifar --labels TEXT --out OUT", "has 1 labels, the net has 10 classes"),
    ("verify BUNDLE --data NONE", "there is no folder"),
    ("predict nonsense PICTURE", "no model is named 'nonsense'"),
    ("predict NONE.onnx PICTURE", "no such file or folder"),
    ("predict EMPTY PICTURE", "is a folder without config.json, so no bundle"),
    ("predict BUNDLE PICTURE --providers Nope,CPUExecutionProvider", "providers: Nope: this ONNX Runtime has"),
    ("predict diracnet10_cifar PICTURE --providers CPUExecutionProvider", "is for bundles, .onnx files and reposit"),
    ("predict diracnet10_cifar PICTURE --precision fp32", "precision='fp32' is for bundles, .onnx files and reposit"),
    ("predict BUNDLE PICTURE --form fp64", "precision='fp64': "),
    ("predict GRAPH.onnx PICTURE --form fp32", "chooses between the graphs of a bundle"),
    ("evaluate diracnet10_cifar --data NONE", "there is no folder"),
    ("evaluate diracnet10_cifar --data digits --form folded", "without a tag is untrained"),
    ("evaluate diracnet10_cifar --data digits --form bogus", "form='bogus': allowed are dirac, folded"),
    ("evaluate diracnet18 --data digits", "diracnet18 has 1000 classes, digits has 10"),
    ("export diracnet10_cifar: --out OUT", "has no weights ''"),
    ("info diracnet10_cifar:", "has no weights ''"),
    ("list nothing*", "no net matches 'nothing*'"),
    ("predict none/net PICTURE", "cannot fetch onnx/model.onnx of the repository none/net: the local cache does not"),
    ("info none/net", "cannot fetch config.json of the repository none/net: the local cache does not have it"),
    ("predict NONE/a/net PICTURE", "no such file or folder"),
    ("publish", "name a BUNDLE and its --repo-id, or publish all weights with --all"),
    ("publish --all", "--all goes with --namespace, and without BUNDLE"),
    ("publish --all --namespace me --pull-request", "--all goes with --namespace, and without BUNDLE"),
    ("publish BUNDLE --repo-id me/x --namespace me", "name a BUNDLE and its --repo-id"),
    ("publish BUNDLE --repo-id me/x", "holds untrained weights, which nobody can use"),
    ("publish EMPTY --repo-id me/x", "is not a bundle"),
    ("train --data digits --recipe nope --out OUT", "no recipe is named 'nope'; there are cifar,"),
    ("train --data digits --epochs 0 --out OUT", "epochs=0: must be above zero"),
    ("import-upstream NONE.pth --out OUT", "no file"),
    ("import-upstream TEXT --out OUT", "is damaged"),
    ("ship EMPTY --tag ../up --dataset digits --checkpoints OUT", "tag='../up': a tag is made of lower-case words"),
    ("ship EMPTY --tag untrained --dataset digits --checkpoints OUT", "is none of untrained"),
    ("ship EMPTY --tag t --dataset digits --checkpoints OUT", "holds no finished run"),
    ("ship EMPTY --tag t --dataset Cifar --licence free --checkpoints OUT", "licence='free': give the SPDX identifier"),
    ("export diracnet10_cifar --licence free --out OUT", "licence='free': give the SPDX identifier"),
    ("export diracnet16_cifar:cifar10 --license mit --out OUT", "of diracnet16_cifar:cifar10 are in the registry"),
]


@pytest.mark.parametrize(("line", "message"), WRONG, ids=[line for line, _ in WRONG])
def test_errors_are_one_clear_line(
    diracnet: Callable, line: str, message: str, bundle: Path, picture: Path, tmp_path: Path
) -> None:
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "TEXT").write_text("no picture and no net\n")
    places = {"BUNDLE": bundle, "GRAPH.onnx": bundle / GRAPH, "PICTURE": picture}
    arguments = [
        places.get(word, tmp_path / word) if word.partition(".")[0].isupper() else word for word in line.split()
    ]
    result = diracnet(*arguments)
    assert result.status == 2 and not result.output
    last = result.errors.strip().splitlines()[-1]
    assert last.startswith("error: ") and message in last and "Traceback" not in result.errors
    assert {path.name for path in tmp_path.iterdir()} == {"EMPTY", "TEXT"}


@pytest.mark.parametrize(
    "line", ["nonsense", "export diracnet10_cifar", "list --nope", "train --data d --out o --lr x"]
)
def test_wrong_usage_ends_with_two(diracnet: Callable, line: str) -> None:
    result = diracnet(*line.split())
    assert result.status == 2 and not result.output and "Usage:" in result.errors


def test_help_lists_both_packages_commands(diracnet: Callable) -> None:
    result = diracnet("--help")
    listed = {line.split()[1] for line in result.output.splitlines() if re.match("│ [a-z]", line)}
    commands = {"list", "info", "evaluate", "import-upstream", "train", "export", "ship", "predict", "publish"}
    assert result.status == 0 and commands <= listed


def test_a_shipped_file_is_recognised(diracnet: Callable, tmp_path: Path) -> None:
    record = zoo.get_weight("diracnet16_cifar", "cifar10")
    file = record.folder / record.files["dirac"].path
    assert diracnet("export", file, "--out", tmp_path / "b").status == 0
    assert f"{record.metrics['top1']:.2f}%" in (tmp_path / "b" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("onnx.checker", r"this needs onnx: pip install 'diracnet-zoo\[export\]'"),
        ("export.figures", r"export\.figures is not in this installation; GitHub.*: install a wheel, or a clone"),
    ],
)
def test_what_is_missing_is_named(
    name: str, remedy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def needs_it() -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    with pytest.raises(SystemExit) as ended:
        run(needs_it)
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and re.fullmatch(f"error: {remedy}", line)
    monkeypatch.setenv("DIRACNET_DEBUG", "1")
    with pytest.raises(ModuleNotFoundError):
        run(needs_it)


def test_as_processes(root: Path, tmp_path: Path) -> None:
    def python(*arguments: str) -> subprocess.CompletedProcess:
        environment = {**os.environ, "PYTHONPATH": str(root)}
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    listed = python("zoo", "list", "diracnet18", "--json")
    assert listed.returncode == 0 and json.loads(listed.stdout)[0]["name"] == "diracnet18"
    failed = python("export", "export", "nonsense", "--out", "b")
    assert failed.returncode == 2 and not failed.stdout and not list(tmp_path.iterdir())
    assert "error: no model is named 'nonsense'" in failed.stderr and "Traceback" not in failed.stderr


def test_force_does_not_remove_what_a_run_needs(
    diracnet: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = tmp_path / "run" / "model.safetensors"
    load_weight(zoo.get_weight("diracnet10_cifar", "cifar10"), "dirac").save(net)
    for option in ("--teacher", "--init"):
        command = ("train", "--data", "digits", option, net, "--out", net.parent, "--force")
        result = diracnet(*command, *(("--teacher-weight", "0.5") if option == "--teacher" else ()))
        assert result.status == 2 and f"{option} {net} is in {net.parent}, whose run --force removes" in result.errors
    assert net.is_file()
    monkeypatch.chdir(tmp_path)  # where a name is no file, although it reads like one
    named = ("--init", "diracnet10_cifar:cifar10", "--data", "nowhere", "--out", ".", "--force")
    assert "whose run --force removes" not in diracnet("train", *named).errors


@pytest.mark.parametrize(("option", "value"), [("--image-size", "0"), ("--channels", "0")])
def test_a_zero_is_not_taken_for_nothing(diracnet: Callable, tmp_path: Path, option: str, value: str) -> None:
    again = ("train", "--like", "diracnet10_cifar:cifar10", "--data", "digits", "--dry-run")
    assert diracnet(*again, "--out", tmp_path / "run", option, value).status == 2
