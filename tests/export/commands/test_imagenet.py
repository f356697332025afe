"""For whoever has ImageNet: one command measures the authors' weights, and what it writes goes on the card."""

import dataclasses
import hashlib
import io
import json
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image
from typer.testing import CliRunner

import zoo
from export.commands.full import app
from export.layout import FILES, FOLDED
from zoo.labels import imagenet_classes
from zoo.weights.published import Source
from zoo.weights.record import WeightFile

RECORD = zoo.get_weight("diracnet18", "imagenet1k")


@pytest.mark.slow
def test_the_authors_weights_are_measured_and_the_figure_goes_on_the_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        buffer = io.BytesIO()
        torch.save(zoo.diracnet(depth=18, folded=True).state_dict(), buffer)
    (tmp_path / "net-00000000.pth").write_bytes(buffer.getvalue())
    source = Source(
        url=(tmp_path / "net-00000000.pth").as_uri(),
        digest=f"sha256:{hashlib.sha256(buffer.getvalue()).hexdigest()[:8]}",
        publisher="a test",
        preprocessing="none",
        resize_backend="none",
    )
    small = dataclasses.replace(RECORD.preprocessing, resize=36, size=32)  # 49 times less to compute
    file = WeightFile(source.name, "00000000", sources=(source,))
    record = dataclasses.replace(RECORD, files={"folded": file}, preprocessing=small)
    monkeypatch.setattr("zoo.reference.get_weight", lambda name, tag: record)
    for index, wnid in enumerate(imagenet_classes()):
        (tmp_path / "imagenet" / "val" / wnid).mkdir(parents=True)
        Image.new("RGB", (40, 40), (index % 256, index // 4, 90)).save(tmp_path / "imagenet" / "val" / wnid / "0.png")
    call, figures = CliRunner().invoke, tmp_path / "figures.json"
    command = [
        "evaluate",
        "diracnet18:imagenet1k",
        "--data",
        f"imagenet:{tmp_path / 'imagenet'}",
        "--out",
        str(figures),
    ]
    measured = call(app, command)
    assert measured.exit_code == 0 and "on 1000 test pictures" in measured.output, measured.exception
    top1 = json.loads(figures.read_text(encoding="utf-8"))["metrics"]["top1"]
    out = tmp_path / "bundle"
    exported = call(app, ["export", "diracnet18:imagenet1k", "--figures", str(figures), "--out", str(out)])
    assert exported.exit_code == 0, exported.exception
    card = ModelCard((out / "README.md").read_text(encoding="utf-8"))
    values = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert values["accuracy"] == pytest.approx(top1, abs=1e-4) and card.data.datasets == ["ILSVRC/imagenet-1k"]
    assert {result.dataset_split for result in card.data.eval_results} == {"validation"}
    assert f"| `model.safetensors` | {FILES[FOLDED]} | top-1 {top1:.2f}%, measured |" in card.text
    text = " ".join(card.text.split())
    assert "On ImageNet-1k (no test-time augmentation, 1000 test pictures)" in text and "Measured on " in text
    for published in RECORD.provenance["published"]:
        assert f"top-1 {published['metrics']['top1']:.2f}%" in text and published["source"] in text
