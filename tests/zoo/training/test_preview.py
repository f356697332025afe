"""A dry run tells the truth about a training and writes nothing."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import zoo
from zoo.__main__ import app
from zoo.training.data import Dataset
from zoo.training.duplicates import count_repeated
from zoo.training.preview import describe_data, preview
from zoo.training.recipes import RECIPES
from zoo.training.streaming import PictureFiles


def test_a_preview_is_of_the_run_that_would_follow(digits: Dataset) -> None:
    recipe = dataclasses.replace(RECIPES["digits"], holdout=0.1)
    state = torch.get_rng_state()
    found = preview(recipe, digits)
    assert torch.equal(state, torch.get_rng_state())
    rest, _ = digits.train.split(0.1, seed=0)
    assert found.steps == recipe.epochs * (len(rest) // recipe.batch_size) and found.timed == 10
    assert found.counts == dict(zip(digits.train.classes, digits.train.targets.bincount().tolist(), strict=True))
    net = zoo.get_model(recipe.model, in_channels=1, num_classes=10)
    assert found.parameters == sum(parameter.numel() for parameter in net.parameters())
    fastest, middle, slowest = found.step_seconds
    assert 0 < fastest <= middle <= slowest
    measuring = (recipe.epochs + 1) * found.measure_seconds
    assert found.seconds == pytest.approx((found.steps * fastest + measuring, found.steps * slowest + measuring))
    assert f"{found.steps:,} steps in 15 epochs" in "\n".join(found.lines())


def test_a_preview_refuses_what_training_refuses(digits: Dataset) -> None:
    with pytest.raises(ValueError, match="batch_size=5000 exceeds"):
        preview(dataclasses.replace(RECIPES["digits"], batch_size=5000), digits)


def test_data_are_described(digits: Dataset) -> None:
    assert describe_data(digits) == (
        "1,438 training pictures in 10 classes (139 to 146 each) and 359 test pictures, 1×16×16"
    )
    one = dataclasses.replace(digits.train, targets=digits.train.targets * 0, classes=("a",))
    assert "1 class (1,438 each)" in (text := describe_data(Dataset(one, one, digits.preprocessing)))
    assert "nothing to tell apart" in text


def test_test_pictures_that_were_trained_on_are_counted(digits: Dataset) -> None:
    assert count_repeated(digits.train, digits.test) == 0
    some = digits.train.subset(torch.tensor([5, 5, 9]))
    assert count_repeated(digits.train, digits.test.followed_by(some)) == 3
    files = PictureFiles((), torch.tensor([]), ("a",), digits.preprocessing)
    assert count_repeated(files, files) is None
    found = preview(RECIPES["digits"], dataclasses.replace(digits, test=some))
    assert found.repeated == 3 and "3 test pictures are training pictures too, pixel by pixel" in "\n".join(
        found.lines()
    )


def test_the_command(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["train", "--recipe", "digits", "--epochs", "1", "--out", str(out)]
    dry = CliRunner().invoke(app, [*command, "--dry-run", "--json"])
    assert dry.exit_code == 0 and json.loads(dry.stdout)["steps"] == 22 and not out.exists()
    text = CliRunner().invoke(app, [*command, "--dry-run"])
    assert "training pictures per class: 0 142, 1 146" in text.stdout and "Nothing was written" in text.stdout
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0 and done.stdout.splitlines()[-1].startswith(f"{out}: top-1 ")
    said = done.stderr
    assert (
        "1,438 training pictures in 10 classes" in said
        and f"diracnet evaluate {out}/model.safetensors --data digits" in said
    )
    assert f"diracnet export {out}/model.safetensors --out {out}-bundle" in said


def test_data_have_to_be_named_where_a_recipe_has_none(tmp_path: Path) -> None:
    failed = CliRunner().invoke(app, ["train", "--out", str(tmp_path / "run")])
    assert "--data is missing: the recipe cifar-short has no data set of its own" in str(failed.exception)


def test_help_lists_the_recipes() -> None:
    text = " ".join(CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "300"}).stdout.split())
    assert all(f"{name} ({recipe.epochs} epochs)" in text for name, recipe in RECIPES.items())
