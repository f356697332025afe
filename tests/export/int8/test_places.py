"""Where the quantization of a net is looked for, and what is said where there is none."""

from pathlib import Path

import pytest

from export.int8 import places
from export.int8.places import find_quantization, quantization_remedy
from export.layout import QUANTIZATION
from zoo import get_weight
from zoo.weights.hub import MissingFileError


def test_it_is_the_registrys_or_the_bundles_or_lies_beside_the_file(tmp_path: Path) -> None:
    record = get_weight("diracnet10_cifar", "cifar10")
    assert find_quantization("diracnet10_cifar:cifar10", record) == record.folder / record.files["int8"].path
    assert find_quantization("diracnet10_cifar", None) is None
    (tmp_path / "onnx").mkdir()
    (tmp_path / "config.json").write_text("{}")
    file, inside = tmp_path / "model.safetensors", tmp_path / QUANTIZATION
    file.touch()
    assert find_quantization(str(file), None) is None and find_quantization(str(tmp_path), None) is None
    inside.touch()
    assert find_quantization(str(file), None) == inside == find_quantization(str(tmp_path), None)
    beside = tmp_path / "quantization.safetensors"
    beside.touch()
    assert find_quantization(str(file), None) == beside and find_quantization(str(tmp_path), None) == inside


def test_a_repository_of_the_hub_is_asked_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(repository: str, path: str, *, revision: str | None) -> tuple[Path, str]:
        if repository == "me/float":
            raise MissingFileError(path)
        return Path(repository, revision or "main", path), "commit"

    monkeypatch.setattr(places, "fetch_version", fetch)
    assert find_quantization("hf:me/net@v1", None) == Path("me/net", "v1", QUANTIZATION)
    assert find_quantization("hf:me/float", None) is None


def test_the_remedy_fits_what_was_named(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.touch()
    out = tmp_path / "quantization.safetensors"
    assert quantization_remedy(str(file), None) == f"diracnet quantize {file} --calibration DATA --out {out}"
    record = get_weight("diracnet10_cifar", "cifar10")
    assert quantization_remedy("x:y", record) == "diracnet quantize diracnet10_cifar:cifar10 --calibration DATA"
    other = quantization_remedy("hf:me/net", None)
    assert other.startswith("diracnet export hf:me/net --formats int8 --calibration DATA --out BUNDLE")
