"""The two distributions: built apart, installed alone and together in fresh environments, and used there."""

import email
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

import zoo
from export import export_bundle
from zoo.reference import open_model

ROOT = Path(zoo.__file__).parent.parent
SITE = Path(sysconfig.get_path("purelib"))
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


def call(*command: object, folder: Path, status: int = 0, **environment: str) -> str:
    """Run a command in a folder, without this checkout on Python's path, and return what it prints."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of both wheels, as `make wheels` builds them, but from a copy, because setuptools leaves files behind."""
    copy, out = tmp_path_factory.mktemp("source") / "tree", tmp_path_factory.mktemp("wheels")
    ignored = shutil.ignore_patterns(".*", "build", "runs", "*.egg-info", "__pycache__", "tests", "*.safetensors")
    shutil.copytree(ROOT, copy, ignore=ignored)
    for folder in (copy, copy / "distributions" / "runtime"):  # what an earlier version left there
        (folder / "build" / "lib" / "zoo").mkdir(parents=True)
        (folder / "build" / "lib" / "zoo" / "gone.py").touch()
    build = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", out]
    call(*build, copy / "distributions" / "runtime", folder=copy)
    call(*build, copy, folder=copy, DIRACNET_APART="1")
    return out


def contents(wheels: Path, name: str) -> set[str]:
    (wheel,) = wheels.glob(f"{name}-*.whl")
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


def metadata(wheels: Path, name: str, file: str = "METADATA") -> str:
    (wheel,) = wheels.glob(f"{name}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return "".join(
            archive.read(each).decode() for each in archive.namelist() if each.endswith(f".dist-info/{file}")
        )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkpoint, record = open_model("diracnet16_cifar:cifar10")
    out = tmp_path_factory.mktemp("bundle") / "b"
    export_bundle(checkpoint, out, record=record)
    return out


def environment(folder: Path, *packages: str) -> Path:
    """Make an environment that has packages of this one, and what they require; all of them if none is named.

    Returns:
        The folder of its programs.
    """
    venv.create(folder, symlinks=True)
    there = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    if packages:
        entries, left = set(), list(packages)
        while left:
            found = distribution(left.pop())
            entries |= {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}
            left += [named(requirement) for requirement in found.requires or () if ";" not in requirement]
    else:
        entries = {entry.name for entry in SITE.iterdir() if "diracnet" not in entry.name}
    for entry in entries:
        (there / entry).symlink_to(SITE / entry)
    return Path(sysconfig.get_path("scripts", vars={"base": str(folder)}))


def named(requirement: str) -> str:
    """Return the name at the beginning of a requirement."""
    return next(
        requirement[:end] for end, each in enumerate(f"{requirement} ") if not (each.isalnum() or each in "-_.")
    )


def test_no_file_is_in_both_and_none_is_lost(wheels: Path) -> None:
    runtime, rest = contents(wheels, "diracnet_runtime"), contents(wheels, "diracnet_zoo")
    assert not runtime & rest
    modules = {
        path.relative_to(ROOT).as_posix()
        for name in ("pixels", "zoo", "export")
        for path in (ROOT / name).rglob("*.py")
    }
    assert {name for name in runtime | rest if name.endswith(".py")} == modules
    assert {"pixels/py.typed", "zoo/py.typed", "export/py.typed", "export/runtime/classifier.py"} <= runtime
    assert "zoo/checkpoints/diracnet16_cifar/cifar10/manifest.json" in rest


def test_what_they_say_of_themselves(wheels: Path) -> None:
    runtime, rest = (email.message_from_string(metadata(wheels, f"diracnet_{name}")) for name in ("runtime", "zoo"))
    assert runtime["Version"] == rest["Version"]
    assert f"diracnet-runtime=={runtime['Version']}" in rest.get_all("Requires-Dist")
    required = {named(each) for each in runtime.get_all("Requires-Dist") if ";" not in each}
    assert required == {"numpy", "onnxruntime", "pillow"}
    floors = {each.partition(";")[0].strip() for each in runtime.get_all("Requires-Dist")}
    assert floors <= {each.partition(";")[0].strip() for each in rest.get_all("Requires-Dist")}
    for each in (runtime, rest):
        assert (
            each["License"] == "Apache-2.0"
            and each["License-File"] == "LICENSE"
            and each["Requires-Python"] == ">=3.10"
        )
        assert each["Description-Content-Type"] == "text/markdown" and each.get_payload().startswith("# diracnet-")
        assert "Paper, https://arxiv.org/abs/1706.00388" in each.get_all("Project-URL")
    assert runtime.get_all("Classifier") == rest.get_all("Classifier")
    assert "diracnet = export.__main__:main" in metadata(wheels, "diracnet_runtime", "entry_points.txt")
    assert not metadata(wheels, "diracnet_zoo", "entry_points.txt")


def test_the_runtime_alone(wheels: Path, bundle: Path, tmp_path: Path) -> None:
    programs = environment(tmp_path / "venv", "numpy", "onnxruntime", "pillow")
    install = [*PIP, "--python", programs / "python", "install", "--no-index", "--find-links", wheels]
    call(*install, "diracnet-runtime", folder=tmp_path)
    diracnet, python, picture = programs / "diracnet", programs / "python", ROOT / "docs" / "cat.jpg"
    work = tmp_path / "work"
    work.mkdir()
    for name in ("export", "zoo", "pixels"):  # files of the user's own, which hide nothing from the command
        (work / f"{name}.py").write_text("raise SystemExit('the wrong file')\n")
    assert call(diracnet, "predict", bundle, picture, folder=work).startswith(f"{picture}: cat 9")
    assert '"label": "cat"' in call(diracnet, "predict", bundle, picture, "--json", "--top=1", folder=work)
    for flag in ("-h", "--help"):
        assert "--batch-size" in call(diracnet, "predict", flag, folder=work)
        assert "predict" in call(diracnet, flag, folder=work)
    assert call(diracnet, "--version", folder=work).startswith("diracnet-runtime 0.")
    program = f"""
import sys
from export.runtime import Classifier
from PIL import Image
(answer,) = Classifier({str(bundle)!r}).predict([Image.open({str(picture)!r})])
print(answer[0].label, [name for name in ("torch", "typer", "rich", "huggingface_hub") if name in sys.modules])
import zoo
try:
    zoo.get_model
except ModuleNotFoundError as error:
    print(error)
"""
    expected = (
        "cat []\nzoo.get_model is in diracnet-zoo, and only diracnet-runtime is installed: pip install diracnet-zoo\n"
    )
    assert call(python, "-c", program, folder=tmp_path) == expected
    wrong = {
        (
            "export",
            "diracnet16_cifar",
            "--out",
            "b",
        ): "the command 'export' is in diracnet-zoo, and only diracnet-runtime is installed: pip install diracnet-zoo",
        ("predict", "diracnet16_cifar:cifar10", picture): "diracnet-zoo",
        ("predict", "none/net", picture): "huggingface",
        ("predict", bundle, picture, "--top", "0"): "0 is below 1",
        ("predict", bundle, picture, "--nope"): "unrecognized arguments: --nope",
        ("predict", bundle): "IMAGES",
    }
    for arguments, message in wrong.items():
        printed = call(diracnet, *arguments, folder=work, status=2)
        assert message in printed and "Traceback" not in printed
    # Without what diracnet-zoo needs, predicting still works, and the rest says what to do.
    call(*install, "--no-deps", "diracnet-zoo", folder=tmp_path)
    assert call(diracnet, "predict", bundle, picture, folder=work).startswith(f"{picture}: cat 9")
    printed = call(diracnet, "list", folder=work, status=2)
    assert "packages that it needs are missing" in printed and "install diracnet-zoo again" in printed


@pytest.mark.slow
def test_both_together(wheels: Path, bundle: Path, tmp_path: Path) -> None:
    programs = environment(tmp_path / "venv")
    pip = [*PIP, "--python", programs / "python"]
    # One name brings both.
    call(*pip, "install", "--no-index", "--find-links", wheels, "diracnet-zoo", folder=tmp_path)
    diracnet, picture = programs / "diracnet", ROOT / "docs" / "cat.jpg"
    assert "diracnet16_cifar" in call(diracnet, "list", "diracnet16_c*", folder=tmp_path)
    assert "import-upstream" in call(diracnet, "--help", folder=tmp_path)
    assert "checks passed" in call(diracnet, "verify", bundle, folder=tmp_path)
    assert call(diracnet, "predict", bundle, picture, folder=tmp_path).startswith(f"{picture}: cat 9")
    program = "import export, zoo; export.fold(zoo.get_model('diracnet10_cifar').eval()); print(zoo.__file__)"
    assert str(tmp_path) in call(programs / "python", "-c", program, folder=tmp_path)
    # Without the one, the other still works.
    call(*pip, "uninstall", "--yes", "diracnet-zoo", folder=tmp_path)
    assert call(diracnet, "predict", bundle, picture, folder=tmp_path).startswith(f"{picture}: cat 9")
    assert "only diracnet-runtime is installed" in call(diracnet, "list", folder=tmp_path, status=2)
