"""The table of data sets: one row a data set, for training, for shipping and for cards."""

import subprocess
import sys
from pathlib import Path

from zoo.cards.front_matter import front_matter
from zoo.datasets import DATASETS, find_dataset
from zoo.training.sources import READERS
from zoo.weights.record import all_weights


def test_titles_keys_and_the_hubs_names_are_each_unique() -> None:
    rows = list(DATASETS.values())
    assert len({row.title for row in rows}) == len(rows) and all(DATASETS[row.key] is row for row in rows)
    known = [row.hub_id for row in rows if row.hub_id]
    assert len(set(known)) == len(known)
    assert set(READERS) == {row.key for row in rows if not row.in_folders}


def test_the_registry_names_rows_of_it() -> None:
    assert {find_dataset(record.dataset) for record in all_weights().values()} <= set(DATASETS.values())


def test_a_reencoded_copy_is_not_listed_as_the_original() -> None:
    figures = {"name": "net", "weights": "w", "licence": "Apache-2.0", "metrics": {"top1": 50.0}}
    for row in DATASETS.values():
        text = "\n".join(front_matter({**figures, "dataset": row.title}))
        assert (f'"type": "{row.hub_id or row.key}"' in text) and (("datasets: [" in text) == bool(row.hub_id))
    jpeg = "\n".join(front_matter({**figures, "dataset": "CIFAR-10 (JPEG-75)"}))
    assert "uoft-cs" not in jpeg and '"type": "cifar10-jpeg75"' in jpeg


def test_a_users_own_data_set_has_a_row_that_says_no_more() -> None:
    own = find_dataset("My pets, 2026")
    assert (own.key, own.title, own.hub_id) == ("my-pets-2026", "My pets, 2026", None)
    assert find_dataset("cifar10") is find_dataset("CIFAR-10") is DATASETS["cifar10"]


def test_the_table_needs_no_torch(root: Path) -> None:
    code = "import sys, zoo.datasets, zoo.labels; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
