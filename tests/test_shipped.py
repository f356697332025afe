"""The shipped nets: each is exported in every format, as `diracnet publish --all` does."""

from pathlib import Path

import pytest

from export import export_bundle
from export.formats.table import FORMATS
from zoo import Weight, load_weight
from zoo.weights.record import all_weights

SMALLEST = "diracnet10_cifar"
"""The one that every run exports in every format; `make release-check` exports all."""
SHIPPED = {":".join(key): record for key, record in all_weights().items() if record.folder}
OURS = [
    pytest.param(record, id=name, marks=() if record.model == SMALLEST else pytest.mark.slow)
    for name, record in SHIPPED.items()
]


@pytest.mark.parametrize("record", OURS)
def test_every_format_is_exported_read_back_and_checked(record: Weight, tmp_path: Path) -> None:
    export_bundle(load_weight(record, "dirac"), tmp_path / "bundle", record=record, formats=["all"])
    assert all((tmp_path / "bundle" / path).is_file() for row in FORMATS.values() for path in row.files(record.model))


@pytest.mark.parametrize("name", [name for name, record in SHIPPED.items() if record.model != SMALLEST])
def test_every_net_is_exported_in_int8(name: str, tmp_path: Path) -> None:
    record = SHIPPED[name]
    export_bundle(load_weight(record, "dirac"), tmp_path / "bundle", record=record, formats=["int8"])
    assert all((tmp_path / "bundle" / path).is_file() for path in FORMATS["int8"].files())
