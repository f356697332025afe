"""The Hub's client in every setting that users have, its default first; `matrix.py` does the same for others."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest


def _beside(name: str) -> ModuleType:
    """Import a file beside this one, which pytest's import mode does not find."""
    spec = spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


matrix, client = _beside("matrix"), _beside("client")


@pytest.mark.parametrize("setting", matrix.SETTINGS)
def test_a_file_goes_and_comes_back(hub, setting: str, tmp_path: Path) -> None:
    """Published, loaded, loaded offline; a damaged copy is mended, and offline it is told."""
    xet, more = matrix.SETTINGS[setting]
    hub.xet(xet)
    name = setting.replace(" ", "-").replace(",", "")
    found = matrix.outcomes(sys.executable, f"matrix/{name}", hub.environment(tmp_path / "home") | more)
    assert found == dict.fromkeys(client.STEPS, "ok")
    assert bool(hub.asked.get("write-token")) == ("HF_HUB_DISABLE_XET" not in more and xet)
