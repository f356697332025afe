"""What users say of weights joins what is known of their training."""

import json
from pathlib import Path

import zoo
from export.bundle.claims import Claims
from zoo.cards.wording import provenance_text, recipe_text


def test_new_figures_leave_the_facts_of_the_training_alone(tmp_path: Path) -> None:
    trained = {
        "seed": 3,
        "measured": "last epoch, no test-time augmentation, 100 held-out training pictures",
        "data_sha256": {"train": "1" * 64, "test": "2" * 64},
        "environment": {"device": "NVIDIA H100", "torch": "2.14.1"},
        "beside_teacher": {"top1": 90.0, "agreement": 85.0},
    }
    measuring = {
        "measured": "no test-time augmentation, 500 test pictures",
        "data_sha256": {"test": "3" * 64},
        "environment": {"device": "a laptop", "torch": "2.15.0"},
    }
    net = zoo.diracnet(depth=10, width=0.25, family="cifar", num_classes=3)
    for known, device in ((trained, "NVIDIA H100"), ({}, "a laptop")):
        facts = zoo.Facts(metrics={"top1": 70.0}, provenance=known)
        checkpoint = zoo.Checkpoint.from_model(net, labels=("a", "b", "c"), facts=facts)
        figures = {"digest": checkpoint.digest(), "dataset": None, "metrics": {"top1": 75.0}, "provenance": measuring}
        (tmp_path / "figures.json").write_text(json.dumps(figures))
        claimed, _ = Claims(figures=tmp_path / "figures.json").of(checkpoint, None)
        found = claimed.facts.provenance
        assert claimed.facts.metrics == {"top1": 75.0} and found["measured"] == measuring["measured"]
        assert found["data_sha256"] == {**known.get("data_sha256", {}), "test": "3" * 64}
        assert device in provenance_text(found)
        assert "its teacher" not in recipe_text({}, found)
