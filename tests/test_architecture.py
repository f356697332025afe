"""The shape of the code: which way imports point, how long files are, what names are taken."""

import ast
from pathlib import Path

import pytest

import export
import pixels
import zoo

ROOT = Path(__file__).resolve().parent.parent
CORE = {"PIL", "huggingface_hub", "numpy", "rich", "safetensors", "torch", "torchvision", "typer"}
STANDARD = set(__import__("sys").stdlib_module_names)
# Inside export, each module's siblings. __main__ and __init__ may know all.
SIBLINGS = {
    "layout": set(),
    "checks": set(),
    "description": set(),
    "labels": set(),
    "pairing": set(),
    "sums": {"layout"},
    "sessions": set(),
    "runtime": {"layout", "published", "ranking", "sessions"},
    "folding": {"pairing"},
    "onnx_graph": {"layout", "pairing"},
    "unfolding": {"folding", "onnx_graph"},
    "half": set(),
    "pictures": {"layout"},
    "quantization": set(),
    "quantized_graph": {"layout", "quantization"},
    "grids": {"quantization"},
    "chain": {"layout", "onnx_graph", "quantization"},
    "rounding": {"quantization"},
    "calibration": {"chain", "grids", "layout", "onnx_graph", "quantization", "rounding"},
    "integers": {"grids", "layout", "onnx_graph", "quantization"},
    "samples": set(),
    "quantizing": {"calibration", "chain", "folding", "golden", "layout", "quantization", "samples"},
    "forms": {"half", "layout", "onnx_graph", "pictures", "quantization", "quantized_graph"},
    "exact": {"onnx_graph"},
    "golden": {"exact", "layout", "onnx_graph"},
    "contents": {"description", "forms", "golden", "labels", "layout", "quantization"},
    "opened": {"description", "layout", "quantization"},
    "graph_checks": {"checks", "folding", "integers", "layout", "onnx_graph", "quantization", "sessions"},
    "parity": {"checks", "description", "folding", "graph_checks", "layout", "opened", "pictures"},
    "datasets": set(),
    "front_matter": {"datasets"},
    "background": {"datasets"},
    "usage": {"layout", "sessions"},
    "card": {"background", "checks", "front_matter", "layout", "parity", "usage"},
    "zoo_card": {"background", "datasets"},
    "accuracy": {"checks", "layout", "opened", "sessions"},
    "bundle": {
        "card",
        "checks",
        "contents",
        "description",
        "folding",
        "forms",
        "layout",
        "parity",
        "quantization",
        "quantizing",
        "sums",
    },
    "audit": {"card", "chain", "checks", "contents", "description", "folding", "layout", "opened", "parity", "sums"},
    "shipping": {"checks", "folding", "layout", "parity"},
    "tables": {"accuracy", "checks", "pushing"},
    "published": {"layout"},
    "remote": {"layout", "sums"},
    "branch": {"remote"},
    "pushing": {"branch", "remote"},
    "ranking": set(),
    "torch_classifier": set(),
    "answers": {"ranking"},
    "predicting": {"answers", "layout", "published", "runtime", "torch_classifier"},
    "publishing": {"audit", "checks", "layout", "pushing"},
    "zoo_publishing": {"bundle", "layout", "publishing", "pushing", "remote"},
}
PACKAGES = ("pixels", "zoo", "export")
FILES = sorted([*(file for name in PACKAGES for file in (ROOT / name).rglob("*.py")), ROOT / "hubconf.py"])


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module)
    return names


def packages(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)} - STANDARD


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    place = path.relative_to(ROOT)
    if place.parts[0] == "pixels":
        assert packages(path) <= {"PIL", "numpy", "pixels"}
    elif place.parts[0] == "zoo":
        extra = {"training": {"accelerate", "matplotlib", "sklearn"}, "timm.py": {"timm"}}.get(place.parts[1], set())
        assert packages(path) <= CORE | extra | {"pixels", "zoo"}
    elif place.name == "hubconf.py":
        assert packages(path) <= {"zoo"}
    else:
        assert packages(path) <= CORE | {"export", "onnx", "onnxruntime", "pixels", "zoo"}
    if place.parts[0] == "export" and place.stem not in ("__init__", "__main__"):
        siblings = {name.partition(".")[2] for name in imports(path) if name.startswith("export.")}
        assert siblings <= SIBLINGS[place.stem]
        assert "export" not in imports(path)


@pytest.mark.parametrize("module", ["runtime", "sessions", "layout", "ranking", "answers"])
def test_inference_needs_neither_torch_nor_zoo(module: str) -> None:
    assert packages(ROOT / "export" / f"{module}.py") <= {"PIL", "export", "numpy", "onnxruntime", "pixels"}


@pytest.mark.parametrize("package", [pixels, zoo, export])
def test_no_module_hides_a_public_name(package: object) -> None:
    modules = {path.stem for path in Path(package.__file__).parent.glob("*.py")}
    assert not modules & set(package.__all__)
    assert all(getattr(package, name) is not None for name in package.__all__)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
