"""The matrix of runtimes: its page is made of its figures, its figures are what they claim, and they are good."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image

from export import export_bundle
from export.layout import GRAPH, GRAPHS
from export.runtime import Classifier
from runtimes.crops import crops
from runtimes.matrix import READERS, RUNNERS, compare, compare_files, versions
from runtimes.page import INTEGERS, cell, page
from runtimes.runner import Reader, Runner
from zoo.reference import open_model
from zoo.weights.record import all_weights

DOCS = Path(__file__).resolve().parent.parent / "docs"
RESULT = json.loads((DOCS / "runtimes.json").read_text(encoding="utf-8"))


def test_the_page_is_made_of_the_figures() -> None:
    assert (DOCS / "runtimes.md").read_text(encoding="utf-8") == page(RESULT)


def test_the_page_says_if_the_net_has_other_weights_by_now() -> None:
    current = all_weights()[tuple(RESULT["net"].split(":"))].files["folded"].sha256
    for digest, replaced in ((current, False), ("0" * 64, True)):
        text = page({**RESULT, "sha256": digest})
        assert digest[:12] in text and ("that have been replaced since" in text) == replaced


def test_the_figures_are_of_all_forms_in_all_runtimes() -> None:
    names, readers = ({one.name for one in rows} for rows in (RUNNERS, READERS))
    assert RESULT["versions"].keys() == names | readers | {"ONNX Runtime"} and not RESULT["missing"]
    assert RESULT["files"].keys() == readers
    assert all(RESULT["files"][reader.name]["file"] == reader.file for reader in READERS)
    assert RESULT["graphs"].keys() == {path for form in GRAPHS.values() for path in (form.path, form.pictures)}
    assert all(cells.keys() == names for cells in RESULT["graphs"].values())
    packages = json.loads((DOCS.parent / "runtimes" / "package.json").read_text(encoding="utf-8"))["dependencies"]
    for package, number in packages.items():
        assert RESULT["versions"][package].startswith(f"{number} in Node ")
    assert RESULT["classes"] >= 5


@pytest.mark.parametrize("runner", [runner.name for runner in RUNNERS if "as it comes" not in runner.name])
def test_float32_gives_the_same_answers_everywhere(runner: str) -> None:
    figures = RESULT["graphs"][GRAPH][runner]
    assert figures["difference"] <= 1e-5 and figures["agreement"] >= 0.999


def test_other_files_give_nearly_the_same_answers() -> None:
    files = RESULT["files"]
    for name in ("LiteRT", "TFLM", "ncnn, float32", "ExecuTorch, XNNPACK"):
        assert files[name]["difference"] <= 1e-5 and files[name]["agreement"] >= 0.999
    assert all(files[name]["agreement"] >= 0.975 for name in INTEGERS)
    assert files["LiteRT, int8, reference kernels"]["same"] == files["TFLM, int8"]["same"] == 1
    assert "converted" in files["Core ML"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runtimes") / "bundle"
    export_bundle(open_model("diracnet10_cifar")[0], out)
    return out


@pytest.fixture(scope="module")
def pictures(root: Path) -> list[Image.Image]:
    return crops(root / "docs" / "cat.jpg", 8)


@pytest.fixture(scope="module")
def root() -> Path:
    return DOCS.parent


def logits(graph: Path, batch: NDArray[Any], position: int) -> NDArray[np.float32]:
    assert position == 0
    return Classifier(graph).logits(batch)


def swapped(graph: Path, batch: NDArray[Any], position: int) -> NDArray[np.float32]:
    """Give one picture of eight the answer of another one, by exchanging its two largest logits."""
    result = logits(graph, batch, position).copy()
    first, second = np.argsort(-result[3])[:2]
    result[3, [first, second]] = result[3, [second, first]]
    return result


def failing(*_: object) -> NDArray[np.float32]:
    raise RuntimeError("cannot load /somewhere/else/model.onnx:\n  no such operator\nStack backtrace:\n 0: main")


CASES = {
    "equal": (logits, {"difference": 0.0, "agreement": 1.0}),
    "failing": (failing, {"error": "cannot load model.onnx: no such operator"}),
    "short": (lambda *given: logits(*given)[:5], {"error": "gives logits of shape (5, 10), not (8, 10)"}),
    "infinite": (lambda *given: logits(*given) / 0, {"error": "gives logits that are not finite"}),
}


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_what_a_cell_says(bundle: Path, pictures: list[Image.Image]) -> None:
    runners = [Runner(name, "x", lambda: "1", run) for name, (run, _) in CASES.items()]
    table = compare(bundle, pictures, runners)
    graphs = [path.relative_to(bundle).as_posix() for path in sorted(bundle.glob("onnx/*"))]
    assert GRAPH in graphs
    assert table == {graph: {name: expected for name, (_, expected) in CASES.items()} for graph in graphs}
    figures = compare(bundle, pictures, [Runner("swapped", "x", lambda: "1", swapped)])[GRAPH]["swapped"]
    classifier = Classifier(bundle)
    right = classifier.logits(np.stack([classifier.preprocess(picture) for picture in pictures]))
    first, second = -np.sort(-right[3])[:2]
    assert figures["agreement"] == 7 / 8
    assert figures["difference"] == pytest.approx((first - second) / np.abs(right).max(), rel=1e-5)


def test_few_pictures_where_a_graph_takes_long(bundle: Path, pictures: list[Image.Image], tmp_path: Path) -> None:
    shutil.copytree(bundle / "onnx", tmp_path / "onnx")
    shutil.copyfile(bundle / GRAPH, tmp_path / GRAPHS["fp16"].path)
    table = compare(tmp_path, pictures, [Runner("slow", "x", lambda: "1", logits, halves=3)])
    assert "pictures" not in table[GRAPH]["slow"]
    assert table[GRAPHS["fp16"].path]["slow"] == {"difference": 0, "agreement": 1, "pictures": 3}
    assert cell(table[GRAPHS["fp16"].path]["slow"]) == "0, 100.00% (3 pictures)"


def test_what_a_row_of_files_says(bundle: Path, pictures: list[Image.Image]) -> None:
    def exact(folder: Path, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        return Classifier(folder / GRAPHS["fp32"].pictures).logits(batch)

    def near(folder: Path, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        result = exact(folder, batch).copy()
        result[0, 0] += 1e-3
        return result

    rows = {"a": (exact, True), "b": (near, True), "c": (exact, False), "d": (lambda *given: "made", False)}
    rows["e"] = (failing, True)
    readers = [Reader(name, "x", lambda: "1", "file", run, integers) for name, (run, integers) in rows.items()]
    table = compare_files(bundle, pictures, readers)
    assert all(figures.pop("file") == "file" for figures in table.values())
    assert table["a"].keys() == table["c"].keys() == {"difference", "agreement"}
    assert table["a"]["difference"] < 1e-6 < table["b"]["difference"] and table["b"]["same"] == 79 / 80
    assert table["d"] == {"converted": "made"} and table["e"].keys() == {"error"}
    assert [cell(table[name]) for name in "de"] == ["made", "fails: cannot load model.onnx: no such operator"]


def test_every_graph_of_the_bundle_is_compared(bundle: Path, pictures: list[Image.Image], tmp_path: Path) -> None:
    model = onnx.load(bundle / GRAPH)
    (tmp_path / "onnx").mkdir()
    for name in ("model.onnx", "model_fp16.onnx", "model_pictures.onnx"):
        onnx.save(model, tmp_path / "onnx" / name)
    table = compare(tmp_path, pictures, [Runner("equal", "x", lambda: "1", logits)])
    assert list(table) == ["onnx/model.onnx", "onnx/model_fp16.onnx", "onnx/model_pictures.onnx"]


def test_what_is_not_installed_is_named_with_the_remedy() -> None:
    def absent() -> str:
        raise ModuleNotFoundError("No module named 'x'", name="x")

    def present() -> str:
        return "1"

    def nowhere() -> str:
        raise FileNotFoundError("there is no program 'node': install it")

    runners = [Runner("A", "a", absent, logits), Runner("B", "b c", nowhere, logits), Runner("C", "d", present, logits)]
    installed, missing = versions(runners)
    assert [*installed] == ["ONNX Runtime", "C"] and missing == {"A": "a", "B": "b c"}
    assert "| B |  | not installed: `b c` |  |" in page({**RESULT, "missing": missing}).splitlines()


def test_crops_are_the_same_every_time_and_of_many_sizes(root: Path) -> None:
    one, again = (crops(root / "docs" / "cat.jpg", 20) for _ in range(2))
    assert [picture.tobytes() for picture in one] == [picture.tobytes() for picture in again]
    assert all(picture.width == picture.height for picture in one) and len({picture.width for picture in one}) > 10
