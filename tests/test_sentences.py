"""Figures in sentences that are written by hand are those of the records."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import zoo
from export.commands.evaluate import CORRUPTED
from zoo.files import read_json
from zoo.weights.imagenet import SOURCES
from zoo.weights.record import all_weights

ROOT = Path(__file__).resolve().parent.parent
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SHIPPED = [weight for weight in all_weights().values() if weight.folder is not None]


def record(name: str) -> dict:
    return read_json(ROOT / "docs" / f"{name}.json")


def counts() -> Iterator[tuple[str, str]]:
    taught = [weight for weight in SHIPPED if weight.recipe.get("teacher")]
    by_another = [weight for weight in taught if weight.recipe["teacher"] != f"{weight.model}:{weight.tag}"]
    yield "CHANGELOG.md", f"with {len(zoo.list_models())} names"
    yield "CHANGELOG.md", f"{WORDS[len(SHIPPED)].capitalize()} CIFAR-size nets trained here"
    yield "CHANGELOG.md", f"{WORDS[len(by_another)]} of them taught by another one and a fourth by the weights that it"
    yield "docs/training.md", f"{WORDS[len(taught)].capitalize()} shipped nets were taught so"
    yield "docs/training.md", f"applied to {CORRUPTED:,} test pictures"
    old = zoo.get_weight("diracnet16_v1_cifar", "cifar10").recipe
    yield "docs/training.md", f"had `--beta {old['beta']:g} --bn-bias {old['bn_bias']:g}`"
    answers, all_of_imagenet = 50_000 * 10 * 6 * 4, 1_281_167 * 1000 * 4  # four bytes each
    yield (
        "docs/training.md",
        f"{answers / 1e6:.0f} MB for six versions of CIFAR-10, {all_of_imagenet / 1e9:.0f} GB for one",
    )


def measured() -> Iterator[tuple[str, str]]:
    nets = record("benchmarks")["inference"]["nets"]
    behind = max(nets[f"ResNet-{depth}"]["top1"] - nets[f"DiracNet-{depth}"]["top1"] for depth in (18, 34))
    yield "README.md", f"for up to {behind:.1f} points less accuracy"
    net = record("devices")["nets"]["diracnet16_cifar:cifar10"]
    stack = max(board["stack"] for board in net["boards"].values())
    yield "docs/export.md", f"works in {net['scratch']:,} bytes, and about {round(stack, -2)} of stack"
    (overflow,) = record("int8")["overflow"].values()
    yield "docs/export.md", f"at about {overflow['time']['median']:.1f} times the time"
    authors, others = zip(*(SOURCES[f"diracnet{depth}"] for depth in (18, 34)), strict=True)
    shallow, deep = (source.metrics["top1"] for source in others)
    yield "docs/hub.md", f"pytorchcv publishes {shallow:.2f}% ({deep:.2f}% for `diracnet34`)"
    shallow, deep = (source.metrics["top1"] for source in authors)
    yield "docs/hub.md", f"with OpenCV, {shallow:.2f}% ({deep:.2f}%)"


@pytest.mark.parametrize(("page", "sentence"), [*counts(), *measured()])
def test_pages_say_what_the_records_say(page: str, sentence: str) -> None:
    assert sentence in " ".join((ROOT / page).read_text(encoding="utf-8").split())
