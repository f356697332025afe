"""`diracnet predict` with pictures from everywhere, weights from a mirror, and nets that it cannot run."""

import io
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import zoo
from export import export_bundle
from export.__main__ import main
from zoo.reference import open_model

NET = "diracnet16_cifar:cifar10"


def predict(*arguments: object, given: bytes = b"") -> tuple[int, str, str]:
    output, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        patch.setattr(sys, "argv", ["diracnet", "predict", *map(str, arguments)])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        with pytest.raises(SystemExit) as ended:
            main()
    return ended.value.code or 0, output.getvalue(), errors.getvalue()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("predicting") / "bundle"
    checkpoint, record = open_model(NET)
    export_bundle(checkpoint, out, record=record)
    return out


@pytest.fixture
def cat(root: Path) -> Path:
    return root / "docs" / "cat.jpg"


@pytest.fixture
def address(cat: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(cat.parent))

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    monkeypatch.setenv("no_proxy", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("net", ["bundle", NET])
def test_addresses_and_standard_input_in_the_order_given(net: str, bundle: Path, cat: Path, address: str) -> None:
    sources = [f"{address}/cat.jpg", "-", cat, f"{address}/none.jpg", f"{address}/cat.jpg"]
    status, output, errors = predict(bundle if net == "bundle" else net, *sources, given=cat.read_bytes())
    assert status == 1
    names = [line.partition(": cat ")[0] for line in output.splitlines()]
    assert names == [f"{address}/cat.jpg", "standard input", str(cat), f"{address}/cat.jpg"]
    assert len({line.partition(": cat ")[2] for line in output.splitlines()}) == 1
    assert f"error: cannot fetch {address}/none.jpg: the server answers 404 File not found" in errors
    status, output, _ = predict(bundle, *sources, "--json", given=cat.read_bytes())
    assert [row["image"] for row in json.loads(output)] == [*map(str, (sources[0], "standard input", *sources[2:]))]


def test_standard_input_is_one_picture(bundle: Path, cat: Path) -> None:
    status, output, errors = predict(bundle, "-", cat, "-", given=cat.read_bytes())
    assert (status, output) == (2, "") and "- is given 2 times; standard input holds one picture" in errors
    status, output, errors = predict(bundle, "-")
    assert (status, output) == (1, "") and "standard input is not a readable picture: it is empty" in errors


def test_weights_from_a_mirror(cat: Path, tmp_path: Path) -> None:
    record = zoo.get_weight(*NET.split(":"))
    shutil.copytree(record.folder, tmp_path / record.model / record.tag)
    for mirror in (tmp_path, tmp_path / record.model / record.tag):
        try:
            zoo.load_weight(record, "dirac", mirror)
        except (ValueError, FileNotFoundError):
            continue
        status, output, errors = predict(NET, cat, "--from", mirror)
        assert (status, errors) == (0, "") and ": cat " in output
        break
    else:
        pytest.fail("no mirror")
    status, _, errors = predict(NET, cat, "--from", tmp_path / "none")
    assert status == 2 and "none" in errors
    status, _, errors = predict(tmp_path / record.model / record.tag / "model.safetensors", cat, "--from", tmp_path)
    assert status == 2 and "is where the weights of NAME:TAG are" in errors


def test_a_folder_with_the_training_form_alone_is_answered_with_pytorch(cat: Path, tmp_path: Path) -> None:
    zoo.get_model("diracnet16_cifar", weights="cifar10").save_pretrained(tmp_path)
    status, output, _ = predict(tmp_path, cat)
    assert status == 0 and ": cat " in output


PROGRAM = """
import sys

missing = sys.argv.pop(1)

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Nowhere())
from export.__main__ import main
sys.argv[0] = "diracnet"
main()
"""


@pytest.mark.parametrize(
    ("package", "net", "remedy"),
    [
        ("PIL", "bundle", "pillow"),
        ("numpy", "bundle", "numpy"),
        ("onnxruntime", "bundle", "'diracnet-zoo[export]'"),
        ("huggingface_hub", "me/net", "huggingface_hub"),
        ("safetensors", NET, "safetensors"),
    ],
)
def test_a_missing_package_is_one_line(
    package: str, net: str, remedy: str, bundle: Path, cat: Path, root: Path
) -> None:
    command = [sys.executable, "-c", PROGRAM, package, "predict", bundle if net == "bundle" else net, cat]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: this needs {package}: pip install {remedy}\n"


def test_the_library_says_what_to_install_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from export.runtime import Classifier

    for name in [
        name for name in sys.modules if name.partition(".")[0] == "huggingface_hub" or name == "zoo.weights.hub"
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModuleNotFoundError, match=r"^me/net is on the Hub, .* needs huggingface_hub: pip install hugg"):
        Classifier("hf:me/net")
