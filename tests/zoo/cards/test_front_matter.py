"""Front matter: whatever users call their data, weights and licences, it is YAML that the Hub takes."""

import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from huggingface_hub.utils import validate_repo_id

import zoo
from zoo.cards.front_matter import front_matter
from zoo.cards.licences import LICENCES, check_licence, hub_licence
from zoo.cards.names import repository_name, short_name
from zoo.cards.saved import saved_card
from zoo.cards.template import CODE, escaped
from zoo.cards.wording import recipe_text, training_text
from zoo.datasets import DATASETS
from zoo.training.recipes import RECIPES
from zoo.weights.facts import Facts

# From public reports of pushes that the Hub refused: base_model or datasets with a path, a dataset.type with spaces.
PATHS = ["/home/me/Meta-Llama", "../runs/net", "./net", "runs/net.safetensors", "C:\\nets\\mine", "a/b/c", "net", ""]
NAMES = [
    "my pets",
    "猫",
    "/var/hf/images/",
    "a: b",
    "- x",
    "{}",
    "my_pets | [2]",
    "'",
    '"',
    "#1",
    "yes",
    "1.0",
    "a/b/c",
]


def read(**facts: object) -> ModelCard:
    """Return what the Hub reads of a saved net's card."""
    spec = zoo.get_spec("diracnet10_cifar")
    description = {
        "name": spec.name,
        "weights": "saved",
        "spec": spec.to_dict(),
        "untrained": False,
        "preprocessing": None,
        "num_classes": spec.num_classes,
        "id2label": {},
        **Facts(**facts).describe(),
    }
    return ModelCard(saved_card(description))


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_data_set(name: str) -> None:
    card = read(dataset=name, metrics={"top1": 91.2, "loss": 0.3})
    (result,) = card.data.eval_results
    assert result.dataset_name == name and re.fullmatch(r"([\w-]+/)?[\w.-]+", result.dataset_type)
    assert result.metric_value == 91.2 and card.data.datasets is None
    assert f"On {escaped(name)} (as its author states)" in card.text


def test_a_data_set_on_the_hub_is_linked() -> None:
    card = read(dataset="me/pets", metrics={"top1": 91.2})
    assert card.data.datasets == ["me/pets"] and card.data.eval_results[0].dataset_type == "me/pets"


@pytest.mark.parametrize("row", DATASETS.values(), ids=lambda row: row.key)
def test_known_data_sets_have_their_own_id_and_copies_none(row: object) -> None:
    card = read(dataset=row.title, metrics={"top1": 91.2})
    assert card.data.datasets == (None if row.hub_id is None else [row.hub_id])
    assert card.data.eval_results[0].dataset_type == (row.hub_id or row.key) and row.note in card.text
    assert (
        read(dataset="CIFAR-10 (JPEG-75)", metrics={"top1": 1}).data.eval_results[0].dataset_type != "uoft-cs/cifar10"
    )


def test_pictures_without_a_name() -> None:
    card = read(metrics={"top1": 91.2}, provenance={"measured": "last epoch, 30 held-out training pictures"})
    (result,) = card.data.eval_results
    assert (result.dataset_type, result.dataset_split) == ("imagefolder", "train") and card.data.datasets is None


@pytest.mark.parametrize("base", ["me/net", "me/net@v1", "org-1/net.v2_x"])
def test_a_base_model_on_the_hub_is_linked(base: str) -> None:
    data = read(base=base).data.to_dict()
    assert (data["base_model"], data["base_model_relation"]) == (base.partition("@")[0], "finetune")
    validate_repo_id(data["base_model"])


@pytest.mark.parametrize("base", [*filter(None, PATHS), "diracnet16_cifar:cifar10", "me/-net", "me/a--b", "me/net.git"])
def test_a_base_model_elsewhere_is_named_in_the_text_alone(base: str) -> None:
    card = read(base=base)
    assert "base_model" not in card.data.to_dict() and f"Made from `{short_name(base)}`" in card.text
    assert "/home/me" not in card.text


def test_repositories_names() -> None:
    assert repository_name("me/net@refs/pr/1") == "me/net"
    assert not any(map(repository_name, PATHS))


@pytest.mark.parametrize("identifier", LICENCES)
def test_licences_are_the_hub_s(identifier: str) -> None:
    assert hub_licence(LICENCES[identifier]) == identifier
    for spelled in (identifier, identifier.upper(), LICENCES[identifier]):
        assert check_licence(spelled) == LICENCES[identifier]
    assert read(licence=identifier).data.license == identifier


@pytest.mark.parametrize(
    ("name", "identifier"), [("GPL-3.0-only", "gpl-3.0"), ("LGPL-2.1-or-later", "lgpl-2.1"), ("ODbL-1.0", "odbl")]
)
def test_spdx_has_more_names_than_the_hub(name: str, identifier: str) -> None:
    assert read(licence=name).data.license == identifier


@pytest.mark.parametrize("name", ["Apache 2", "mit licence", "cc-by", "proprietary", "GPL-9.0"])
def test_other_licences_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"give the SPDX identifier of a licence that the Hub knows, such as "):
        Facts(licence=name)


def test_without_a_licence_it_is_unknown() -> None:
    assert read().data.license == "unknown" and "## Licence" not in read().text
    assert front_matter({"name": "a", "weights": "b", "licence": "ask us"})[:2] == [
        "license: other",
        "license_name: ask-us",
    ]


def test_a_net_that_took_its_teacher_s_place_says_so() -> None:
    taught = {"recipe": {"model": "a"}, "dataset": "Digits", "provenance": {"teacher": {"name": "a:b"}}}
    said = "Its teacher is the net that it replaced"
    for reference, told in (("a:b", True), ("a:c", False), (None, False)):
        assert (said in training_text({**taught, "reference": reference})) == told


def test_a_taught_net_says_so() -> None:
    recipe = {**RECIPES["cifar-short"].to_dict(), "teacher_weight": 0.9, "temperature": 4.0}
    text = recipe_text({**recipe, "teacher": "/home/me/wide.safetensors"}, {})
    assert "taught by `wide.safetensors`: 90% of the loss is the divergence from its answers" in text
    assert "at temperature 4, and 10% is cross-entropy" in text and "/home" not in text and "Muon" in text
    named = recipe_text(recipe, {"teacher": {"name": "ResNet", "digest": "0123456789"}})
    assert "taught by `ResNet` (digest of its tensors 01234567…): 90%" in named and "teacher weight" not in named
    beside = recipe_text(recipe, {"beside_teacher": {"top1": 91.5, "agreement": 93.456}})
    assert "its teacher classifies 91.50% correctly, and both give 93.46% the same class." in beside
    alone = recipe_text(RECIPES["cifar"].to_dict(), {})
    assert alone.startswith("SGD, on cross-entropy: ") and "temperature" not in alone


def test_the_code_is_at_one_address(root: Path) -> None:
    for name, words in (
        ("README.md", "git clone {}"),
        ("CITATION.cff", "repository-code: {}"),
        ("distributions/parts.py", '"Code": "{}"'),
    ):
        assert words.format(CODE) in (root / name).read_text(encoding="utf-8")
    assert f"[diracnet-zoo]({CODE})" in (root / "MODEL_CARD.md").read_text(encoding="utf-8")
