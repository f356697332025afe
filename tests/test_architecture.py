"""The shape of the code: which way imports point, how long files are, what names are taken."""

import ast
import runpy
from pathlib import Path

import pytest

import export
import pixels
import zoo

ROOT = Path(__file__).resolve().parent.parent
CORE = {"PIL", "huggingface_hub", "numpy", "rich", "safetensors", "torch", "torchvision", "typer"}
STANDARD = set(__import__("sys").stdlib_module_names)
# Which rooms and files of the hall a room may import from. `__main__` and `__init__` may know all.
ROOMS = {
    "export": {
        "layout": set(),
        "folding": set(),
        "graphs": {"folding", "layout"},
        "int8": {"folding", "layout"},
        "integer": {"int8", "layout"},
        "c": {"integer"},
        "litert": {"int8", "integer", "layout"},
        "runtime": {"layout"},
        "proof": {"folding", "graphs", "int8", "integer", "layout", "litert", "runtime"},
        "cards": {"layout", "proof"},
        "formats": {"c", "cards", "folding", "graphs", "int8", "integer", "layout", "litert", "proof", "runtime"},
        "bundle": {"cards", "folding", "formats", "int8", "layout", "proof", "runtime"},
        "hub": {"bundle", "layout"},
        "release": {"bundle", "cards", "folding", "hub", "layout", "proof"},
        "figures": {"folding", "formats", "graphs", "int8", "layout", "runtime"},
        "commands": {"bundle", "figures", "formats", "hub", "int8", "layout", "proof", "release", "runtime", "site"},
        "site": {"bundle", "folding", "formats", "hub", "layout"},
    },
    "zoo": {
        **{
            name: set()
            for name in ("errors", "lacking", "layout", "machine", "metrics", "printing", "revision", "schema")
        },
        **{name: {"schema"} for name in ("files", "labels", "preprocessing")},
        "description": {"labels", "layout", "preprocessing", "schema"},
        "command_line": {"errors", "printing"},
        "datasets": {"preprocessing"},
        "nets": {"description", "preprocessing"},
        "cards": {"datasets", "metrics", "preprocessing"},
        "weights": {
            *("cards", "description", "errors", "files", "labels", "layout", "metrics", "nets", "preprocessing"),
            *("revision", "schema"),
        },
        "models": {"nets", "weights"},
        "reference": {"files", "layout", "models", "nets", "weights"},
        "training": {
            *("cards", "datasets", "errors", "files", "labels", "layout", "machine"),
            *("models", "nets", "preprocessing", "reference", "weights"),
        },
        "commands": {
            *(
                "datasets",
                "files",
                "layout",
                "metrics",
                "models",
                "nets",
                "printing",
                "reference",
                "training",
                "weights",
            )
        },
        **{name: {"models", "nets", "preprocessing", "weights"} for name in ("timm", "torchvision")},
    },
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


def room(module: str) -> str:
    """Return the room of a module, such as "int8" of export.int8.record; a file in the hall is one by itself."""
    return module.split(".")[1]


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
        others = {"ai_edge_litert", "model_signing", "onnx", "onnxruntime"}
        if place.parts[1] == "site":
            others |= {"jinja2", "markdown_it", "markupsafe", "matplotlib"}
        if place.parts[1] == "figures":
            others.add("scipy")
        assert packages(path) <= CORE | others | {"export", "pixels", "zoo"}
    if place.parts[0] in ROOMS and place.stem not in ("__init__", "__main__"):
        own = room(".".join(place.with_suffix("").parts))
        others = {room(name) for name in imports(path) if name.startswith(f"{place.parts[0]}.")} - {own}
        assert others <= ROOMS[place.parts[0]][own]
        assert place.parts[0] not in imports(path)


def circle(edges: dict[str, set[str]]) -> list[str]:
    """Return the nodes that lie on circles, or lead to one and from one."""
    left = {node: targets & edges.keys() for node, targets in edges.items()}
    while ends := [node for node, targets in left.items() if not targets]:
        left = {node: targets - set(ends) for node, targets in left.items() if node not in ends}
    return sorted(left)


@pytest.mark.parametrize("package", sorted(ROOMS))
def test_neither_files_nor_rooms_import_in_circles(package: str) -> None:
    files, rooms = {}, {}
    for path in (ROOT / package).rglob("*.py"):
        if path.stem not in ("__init__", "__main__"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            files[name] = {other for other in imports(path) if other.startswith(f"{package}.")}
            rooms[room(name)] = rooms.get(room(name), set()) | {room(other) for other in files[name]} - {room(name)}
    assert circle(files) == [] and circle(rooms) == []


@pytest.mark.parametrize("path", [ROOT / "export" / "layout.py", *sorted((ROOT / "export" / "runtime").glob("*.py"))])
def test_inference_needs_no_torch(path: Path) -> None:
    # Of the zoo only what imports neither, either: that, importing it with PyTorch blocked shows.
    light = {"zoo.description", "zoo.layout", "zoo.preprocessing", "zoo.schema"}
    light |= {"zoo.weights.hub", "zoo.weights.reference"}
    assert packages(path) <= {"PIL", "export", "numpy", "onnxruntime", "pixels", "zoo"}
    assert {name for name in imports(path) if name.startswith("zoo")} <= light


def test_the_distribution_without_torch_has_all_that_it_imports() -> None:
    in_runtime = runpy.run_path(str(ROOT / "distributions" / "parts.py"))["in_runtime"]
    modules = {}
    for path in FILES[:-1]:
        modules[".".join(path.relative_to(ROOT).with_suffix("").parts)] = path
    own = {name for name in modules if in_runtime(name)}
    assert {"export.runtime.classifier", "export.commands.predict", "pixels.decoding"} <= own
    for name in own:
        for node in ast.parse(modules[name].read_text(encoding="utf-8")).body:  # functions import what may be missing
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            named += [node.module] if isinstance(node, ast.ImportFrom) else []
            for other in named:
                lacking = other.partition(".")[0] in PACKAGES and not {other, f"{other}.__init__"} & own
                heavy = other.partition(".")[0] in {"rich", "safetensors", "torch", "torchvision", "typer"}
                assert not (lacking or heavy), f"{name} imports {other}, which distributions/parts.py does not list"


@pytest.mark.parametrize("package", [pixels, zoo, export])
def test_no_module_hides_a_public_name(package: object) -> None:
    modules = {path.stem for path in Path(package.__file__).parent.glob("*.py")}
    assert not modules & set(package.__all__)
    assert all(getattr(package, name) is not None for name in package.__all__)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
