"""What measured figures are recorded with."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version

import pytest

from zoo.machine import describe, processor


def test_a_machine_is_described_with_the_versions_of_packages() -> None:
    found = describe(["numpy", "torch"], threads=2)
    versions = {"python": platform.python_version(), "numpy": version("numpy"), "torch": version("torch")}
    assert found == {"machine": processor(), "versions": versions, "threads": 2}
    assert json.loads(json.dumps(found)) == found


def test_threads_that_nobody_chose_are_not_described() -> None:
    assert describe([]).keys() == {"machine", "versions"}


def test_a_package_that_is_missing_is_named() -> None:
    with pytest.raises(PackageNotFoundError, match="no-such-package"):
        describe(["no-such-package"])
