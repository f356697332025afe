"""What a run's weights say of their training, and the commands that train them again."""

import dataclasses
import json
import shlex
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import zoo
from zoo import Checkpoint
from zoo.__main__ import app
from zoo.reference import open_model
from zoo.training.again import Named, training_of
from zoo.training.data import Dataset
from zoo.training.job import plan_job
from zoo.training.loop import train
from zoo.training.recipes import RECIPES, Recipe
from zoo.training.sources import load_dataset
from zoo.training.story import command
from zoo.training.teacher import open_teacher
from zoo.weights.facts import Facts
from zoo.weights.record import Weight, all_weights

RECIPE = dataclasses.replace(RECIPES["digits"], epochs=1)
OURS = [pytest.param(record, id=":".join(key)) for key, record in all_weights().items() if record.recipe]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, digits: Dataset) -> Path:
    folder = tmp_path_factory.mktemp("story") / "run"
    train(RECIPE, digits, folder, seed=3)
    return folder


def asked(monkeypatch: pytest.MonkeyPatch, line: str) -> tuple[Recipe, int, Checkpoint | None]:
    """Return the recipe, the seed and the weights to start from that a command line of `diracnet train` asks for."""
    found = []

    def preview(recipe: Recipe, _: object, *, seed: int, init: Checkpoint | None, **__: object) -> None:
        found.append((recipe, seed, init))
        raise RuntimeError("far enough")

    monkeypatch.setattr("zoo.training.preview.preview", preview)
    words = shlex.split(line)
    assert words[:2] == ["diracnet", "train"]
    result = CliRunner().invoke(app, [*words[1:], "--dry-run"])
    assert str(result.exception) == "far enough", (result.output, result.exception)
    return found[0]


def test_a_run_s_file_says_what_its_card_needs(run: Path) -> None:
    facts = Checkpoint.load(run / "model.safetensors").facts
    result = json.loads((run / "result.json").read_text())
    assert facts.dataset == "Digits" and facts.metrics == result["metrics"] and facts.base is None
    assert facts.recipe == RECIPE.to_dict() and facts.provenance["seed"] == 3
    assert facts.provenance["pictures"] == {"train": 1438, "test": 359}
    assert facts.provenance["measured"] == "last epoch, no test-time augmentation, 359 test pictures"
    assert not {"wall_hours", "cpu_hours"} & facts.provenance.keys()  # equal runs have equal bytes


def test_the_base_is_named(run: Path, digits: Dataset, tmp_path: Path) -> None:
    start = Checkpoint.load(run / "model.safetensors")
    bases = {None: "diracnet10_cifar (trained)", "me/net@v1": "me/net@v1"}
    for index, (origin, base) in enumerate(bases.items()):
        folder = tmp_path / str(index)
        train(dataclasses.replace(RECIPE, epochs=1), digits, folder, init=dataclasses.replace(start, origin=origin))
        facts = Checkpoint.load(folder / "model.safetensors").facts
        assert facts.base == base
        assert facts.provenance["init"] == {
            "weights": "trained",
            "digest": start.digest(),
            **({"name": origin} if origin else {}),
        }


@pytest.mark.parametrize("folder", ["cifar10", "CIFAR-10", "imagenet", "pets"])
def test_a_folder_is_no_known_data_set_whatever_its_name(folder: str, tmp_path: Path) -> None:
    # Figures on a re-encoded copy that somebody keeps in a folder of this name must not be filed under the original.
    for half in ("train", "test"):
        for label in ("cat", "dog"):
            (tmp_path / folder / half / label).mkdir(parents=True)
            Image.new("RGB", (32, 32)).save(tmp_path / folder / half / label / "0.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert load_dataset(folder).key is None
        assert load_dataset(f"cifar10-jpeg75:{folder}").key == "cifar10-jpeg75"


@pytest.mark.parametrize("name", RECIPES)
def test_the_command_asks_for_the_same_recipe(name: str, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"batch_size": 96, "lr": 0.03, "compile": True, "nesterov": False, "model": "diracnet10_cifar"}
    changes |= {"crop_padding": 1, "crop": "padded", "precision": "bf16", "weight_decay": 0.0}
    recipe = dataclasses.replace(RECIPES[name], **changes)
    job = plan_job(recipe, digits, seed=7, init=None, build=zoo.DiracNet, architecture=None, teacher=None)
    assert asked(monkeypatch, command(job)) == (recipe, 7, None)


def test_the_command_names_what_it_started_from(digits: Dataset) -> None:
    net = zoo.get_model("diracnet10_cifar", num_classes=10, in_channels=1)
    init = dataclasses.replace(Checkpoint.from_model(net), origin="me/net")
    recipe = dataclasses.replace(RECIPE.for_trained_weights(), teacher_weight=0.5)
    teacher = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(256, 10))
    job = plan_job(recipe, digits, seed=0, init=init, build=zoo.DiracNet, architecture=None, teacher=teacher)
    line = command(job)
    assert "--init me/net" in line and "--teacher TEACHER" in line and "--model" not in line and "digits" in line


@pytest.mark.parametrize("record", OURS)
def test_every_manifest_resolves_to_its_recipe(record: Weight) -> None:
    training = training_of(f"{record.model}:{record.tag}")
    told = training.recipe.to_dict()
    assert {name: told[name] for name in record.recipe} == dict(record.recipe)
    assert (training.seed, training.size) == (record.provenance["seed"], record.preprocessing.size)
    assert (training.init is None) == ("init" not in record.provenance)
    assert training.data == record.provenance["data_sha256"]


def test_like_is_the_recipe_of_the_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    record = zoo.get_weight("diracnet10_x2_cifar", "fashion_mnist")
    line = f"diracnet train --like {record.model}:{record.tag} --data digits --out run"
    expected = Recipe(**Recipe.completed(record.recipe))
    assert asked(monkeypatch, line) == (expected, record.provenance["seed"], None)
    changed = dataclasses.replace(expected, epochs=3)
    assert asked(monkeypatch, f"{line} --epochs 3 --seed 5") == (changed, 5, None)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_command_and_like_keep_the_channels(
    channels: int, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []

    def load(_: str, size: int, *, channels: int | None, **__: object) -> None:
        found.append((size, channels))
        raise RuntimeError("far enough")

    how = digits.preprocessing.with_channels(channels)
    data = dataclasses.replace(digits, preprocessing=how, key=None)
    job = plan_job(RECIPE, data, seed=0, init=None, build=zoo.DiracNet, architecture=None, teacher=None)
    monkeypatch.setattr("zoo.training.sources.load_dataset", load)
    Checkpoint.from_model(
        zoo.get_model("diracnet10_cifar", in_channels=channels),
        preprocessing=how,
        facts=Facts(recipe=RECIPE.to_dict(), provenance={"seed": 0}),
    ).save(tmp_path / "net.safetensors")
    for half in ("train", "test"):
        (tmp_path / "FOLDER" / half).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for line in (command(job), f"diracnet train --like {tmp_path / 'net.safetensors'} --data FOLDER --out run"):
        result = CliRunner().invoke(app, shlex.split(line)[1:])
        assert str(result.exception) == "far enough", result.output
    assert found == [(16, None if channels == 3 else channels), (16, channels)]


def taught(net: Path, teacher: str, name: str) -> str:
    """Save a net that was taught, and return the options of a command that trains such a net again."""
    recipe = dataclasses.replace(RECIPE, teacher=teacher, teacher_weight=0.5)
    provenance = {"seed": 0, "teacher": {"name": name, "digest": "2" * 64}}
    facts = Facts(recipe=recipe.to_dict(), provenance=provenance)
    Checkpoint.from_model(zoo.get_model("diracnet10_cifar"), facts=facts).save(net)
    return f"train --like {net} --data digits --out {net.parent / 'run'}"


@pytest.mark.parametrize(("teacher", "name"), [("model.safetensors", "model.safetensors"), ("", "my ResNet-18")])
def test_like_asks_for_a_teacher_that_has_no_name_here(
    teacher: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = shlex.split(taught(tmp_path / "net.safetensors", teacher, name))
    with pytest.raises(ValueError, match=rf"taught by a classifier .*, {name} \(weights 22222222\); name yours with"):
        CliRunner().invoke(app, line, catch_exceptions=False)
    seen = []
    monkeypatch.setattr("zoo.training.sources.load_dataset", lambda *_, **__: seen.append(True))
    for more in (["--teacher", "diracnet10_cifar:cifar10"], ["--teacher-weight", "0"]):
        CliRunner().invoke(app, [*line, *more])
    assert len(seen) == 2


def test_like_compares_the_weights_of_a_teacher_that_is_a_file(digits: Dataset, tmp_path: Path) -> None:
    taught(tmp_path / "net.safetensors", "model.safetensors", "model.safetensors")
    training = training_of(str(tmp_path / "net.safetensors"))
    (note,) = training.notes(digits, {"teacher": Named("/home/me/model.safetensors", "3" * 64)})
    assert "was taught by weights 22222222 of model.safetensors, which stands for weights 33333333 now" in note


def test_the_command_tells_how_often_net_and_teacher_agree(run: Path, tmp_path: Path) -> None:
    teacher, out = str(run / "model.safetensors"), tmp_path / "net"
    line = ["train", "--recipe", "digits", "--epochs", "1", "--teacher", teacher, "--teacher-weight", "1", "--out"]
    first = CliRunner().invoke(app, [*line, str(out)])
    result = json.loads((out / "result.json").read_text())
    beside = result.pop("beside_teacher")
    assert first.exit_code == 0 and beside["top1"] == zoo.Checkpoint.load(teacher).facts.metrics["top1"]
    same = f"classifies {beside['top1']:.2f}% of them correctly, and the net gives the same class for"
    assert f"{same} {beside['agreement']:.2f}%" in " ".join(first.stdout.split())
    (out / "result.json").write_text(json.dumps(result))  # as versions wrote it that did not measure this
    again = CliRunner().invoke(app, [*line, str(out)])
    assert again.exit_code == 0 and "top-1" in again.stdout and "its teacher" not in again.stdout


def test_like_takes_a_run_s_weights_too(run: Path, monkeypatch: pytest.MonkeyPatch, digits: Dataset) -> None:
    line = f"diracnet train --like {run} --data digits --out other"
    assert asked(monkeypatch, line) == (RECIPE, 3, None)
    training = training_of(str(run / "model.safetensors"))
    assert training.notes(digits, {"init": Named("never/heard-of", "0" * 64)}) == []
    other = dataclasses.replace(digits, train=digits.test)
    assert training.notes(other, {}) == [f"{run / 'model.safetensors'} was trained on other pictures"]


@pytest.mark.parametrize(("known", "flags"), [(True, []), (False, []), (False, ["--dry-run"])])
def test_like_tells_when_a_name_stands_for_other_weights(
    known: bool, flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def far_enough(*_: object, **__: object) -> None:
        raise RuntimeError("far enough")

    for step in ("zoo.training.loop.train", "zoo.training.preview.preview"):
        monkeypatch.setattr(step, far_enough)
    start = teacher = "diracnet10_cifar:cifar10"  # a net may be taught by what it started from
    digests = (open_model(start, "dirac")[0].digest(), open_teacher(teacher).digest())
    started, taught = digests if known else ("1" * 64, "2" * 64)
    recipe = dataclasses.replace(RECIPE.for_trained_weights(), teacher=teacher, teacher_weight=0.5)
    provenance = {
        "seed": 0,
        "init": {"weights": "cifar10", "digest": started, "name": start},
        "teacher": {"name": teacher, "digest": taught},
    }
    facts = Facts(recipe=recipe.to_dict(), provenance=provenance, base=start)
    Checkpoint.from_model(zoo.get_model("diracnet10_cifar"), facts=facts).save(tmp_path / "net.safetensors")
    line = ["train", "--like", str(tmp_path / "net.safetensors"), "--data", "digits", "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(app, [*line, *flags])
    assert str(result.exception) == "far enough", result.output
    told = " ".join(result.output.split())
    for learnt, old, now in (("started from", "1" * 8, digests[0][:8]), ("was taught by", "2" * 8, digests[1][:8])):
        assert (f"{learnt} weights {old} of {start}, which stands for weights {now} now" in told) != known
    assert ("note: " in told) != known


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "--like diracnet16_cifar:cifar10 --recipe cifar --data x",
            "has a recipe of its own; leave --recipe cifar out",
        ),
        ("--like diracnet18:imagenet1k --data x", "nobody recorded how diracnet18:imagenet1k was"),
        ("--like diracnet16_cifar:cifar10", "--data is missing: diracnet16_cifar:cifar10 has no data set of its own"),
    ],
)
def test_like_says_what_is_wrong(arguments: str, message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["train", *arguments.split(), "--out", str(tmp_path / "run")])
    assert message in str(result.exception) and not (tmp_path / "run").exists()


def test_like_needs_the_weights_that_were_started_from(tmp_path: Path) -> None:
    net = zoo.diracnet(depth=10, width=0.25, family="cifar")
    # The second began with its author's own weights, which were made from the others.
    for expected in ("me/net", None):
        named = {"name": expected} if expected else {}
        started = {"weights": "trained", "digest": "1" * 64, **named}
        facts = Facts(recipe=RECIPE.to_dict(), provenance={"seed": 0, "init": started}, base="me/net")
        Checkpoint.from_model(net, facts=facts).save(tmp_path / "a.safetensors")
        training = training_of(str(tmp_path / "a.safetensors"))
        if expected:
            assert training.init == expected
        else:
            with pytest.raises(ValueError, match=r"its author's own, diracnet10_cifar \(trained\); name yours"):
                _ = training.init
    for recipe, message in (({"epochs": 1}, "another way than this version's"), ({}, "nobody recorded how")):
        facts = Facts(recipe=recipe, provenance={"seed": 0})
        Checkpoint.from_model(net, facts=facts).save(tmp_path / "a.safetensors")
        with pytest.raises(ValueError, match=message):
            training_of(str(tmp_path / "a.safetensors"))
