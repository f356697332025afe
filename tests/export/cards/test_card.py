"""Cards: what the Hub reads of them is what was measured, and the zoo's own is never stale."""

import re
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard

import zoo
from export.__main__ import main
from export.bundle.contents import bundle_card
from export.bundle.description import describe
from export.cards.usage import usage
from export.formats.table import FORMATS
from export.layout import FILES, FOLDED, GRAPHS, SUMS, TRAINING_FORM
from export.release.model_card import check_zoo_card, write_zoo_card, zoo_card
from zoo import Checkpoint
from zoo.cards.front_matter import front_matter
from zoo.datasets import DATASETS, find_dataset
from zoo.weights.locate import load_weight
from zoo.weights.record import Weight, all_weights

OURS = [pytest.param(record, id=":".join(key)) for key, record in all_weights().items() if record.folder]
THEIRS = zoo.get_weight("diracnet18", "imagenet1k")

EVERY = [*FILES, *(path for row in FORMATS.values() for path in row.files("diracnet16_cifar"))]
DESCRIPTION = {
    "name": "diracnet16_cifar",
    "spec": zoo.Spec(depth=16, family="cifar").to_dict(),
    "preprocessing": {"size": 32},
}
NOTES = [row.note(DESCRIPTION, "ORG/NAME") for row in FORMATS.values()]


def described(record: Weight) -> dict:
    return describe(load_weight(record, "folded"), record)


@pytest.mark.parametrize("record", OURS)
def test_the_hub_reads_the_measured_figures(record: Weight) -> None:
    text = bundle_card(described(record), [], EVERY, FORMATS)
    data = ModelCard(text).data
    read = {result.metric_type: result.metric_value for result in data.eval_results}
    assert read == {
        "accuracy": pytest.approx(record.metrics["top1"], abs=1e-4),
        **({"top_5_accuracy": pytest.approx(record.metrics["top5"], abs=1e-4)} if "top5" in record.metrics else {}),
    }
    assert {result.dataset_name for result in data.eval_results} == {record.dataset}
    assert find_dataset(record.dataset) in DATASETS.values() and find_dataset(record.dataset).note in text
    assert (data.license, data.library_name, data.pipeline_tag) == (
        "apache-2.0",
        "diracnet-zoo",
        "image-classification",
    )
    assert data.model_name == f"{record.model}:{record.tag}" and {"diracnet", "onnx"} <= set(data.tags)
    assert f"diracnet train --like {record.model}:{record.tag} --data {find_dataset(record.dataset).key}:FOLDER" in text
    assert f"top-1 | {record.metrics['top1']:.2f}%" in text and f"epochs {record.recipe['epochs']}" in text


@pytest.mark.parametrize("record", OURS)
def test_a_card_says_of_each_file_what_it_is(record: Weight) -> None:
    every = [*FILES, *(path for row in FORMATS.values() for path in row.files(record.model))]
    text = bundle_card(described(record), [], every, FORMATS)
    rows = dict(re.findall(r"^\| `([^`]+)` \| [^|]+ \| ([^|]*) \|$", text, flags=re.MULTILINE))
    assert rows.keys() == set(every)
    assert rows[TRAINING_FORM] == f"top-1 {record.metrics['top1']:.2f}%, measured"
    for path in (FOLDED, *(form.path for form in GRAPHS.values())):
        assert rows[path].strip() and not re.search(r"\d ?%", rows[path])  # measured on the training form alone
    assert not rows[SUMS].strip()
    assert all(part in text for part in ("## Limits", "## Licence", "## Citation", "arXiv:1706.00388", "## Data"))


def test_other_weights_claim_nothing() -> None:
    spec = zoo.Spec(depth=10, width=0.25, family="cifar")
    preprocessing = zoo.get_weight("diracnet16_cifar", "cifar10").preprocessing
    with torch.random.fork_rng(devices=[]):
        state = zoo.plain(spec).state_dict()
    own = Checkpoint(form="folded", spec=spec, tag="mine", preprocessing=preprocessing, state=state)
    text = bundle_card(describe(own, None), [], [FOLDED], ())
    assert ModelCard(text).data.to_dict().keys() == {"license", "library_name", "pipeline_tag", "tags"}
    assert "measured" not in text and "torch.hub" not in text and "trainable" not in text and "## Data" not in text
    lines = front_matter({**describe(own, THEIRS), "weights": THEIRS.tag})
    data = ModelCard("\n".join(("---", *lines, "---"))).data
    assert (data.license, data.license_name) == ("other", "not-stated-by-its-authors")
    assert data.eval_results[0].metric_value == 69.63 and data.datasets == ["ILSVRC/imagenet-1k"]


def test_the_repository_is_named_where_it_is_known() -> None:
    description = described(zoo.get_weight("diracnet16_cifar", "cifar10"))
    assert "ORG/NAME" in usage(description, EVERY, NOTES)
    notes = [row.note(DESCRIPTION, "me/net") for row in FORMATS.values()]
    named = usage({**description, "repository": "me/net"}, EVERY, notes)
    assert "ORG/NAME" not in named and named.count('"me/net"') >= 6


def test_a_card_with_an_int8_graph_says_what_its_session_needs() -> None:
    description = described(zoo.get_weight("diracnet16_cifar", "cifar10"))
    with_int8, without = (usage(description, EVERY, notes) for notes in (NOTES, NOTES[:1]))
    assert '"session.x64quantprecision", "1"' in with_int8 and "onnx/model_quantized.onnx" in with_int8
    assert "x64quantprecision" not in without


def test_the_zoos_card_is_what_the_manifests_say(root: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    check_zoo_card(root / "MODEL_CARD.md")
    text = zoo_card()
    for (model, tag), record in all_weights().items():
        assert f"| `{model}` | `{tag}` | {record.dataset} | " in text and f"{record.metrics['top1']:.2f}%" in text
        assert record.folder is None or all(digest in text for digest in record.digests.values())
    path = tmp_path / "MODEL_CARD.md"
    write_zoo_card(path)
    assert path.read_text(encoding="utf-8") == text
    figure = f"{all_weights()['diracnet16_cifar', 'cifar10'].metrics['top1']:.2f}%"
    path.write_text(text.replace(figure, "96.36%"), encoding="utf-8")
    for check, status in ((["--check"], 2), ([], 0), (["--check"], 0)):
        monkeypatch.setattr(sys, "argv", ["diracnet", "model-card", *check, "--out", str(path)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert (ended.value.code or 0) == status, capsys.readouterr()


def test_a_card_claims_no_measurement_of_figures_that_others_published() -> None:
    description = {**described(OURS[0].values[0]), "metrics": dict(THEIRS.metrics), "provenance": THEIRS.provenance}
    every = [file for file in FILES if file != TRAINING_FORM]
    told = dict(
        re.findall(r"^\| `([^`]+)` \| [^|]+ \| ([^|]*) \|$", bundle_card(description, [], every, FORMATS), re.M)
    )
    assert told.keys() == set(every) and not any(cell.strip() for cell in told.values())
