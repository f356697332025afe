"""The C files: they compile without a warning, compute LiteRT's bits, and need nothing but memory of the caller."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import zoo
from export import export_bundle, fold, verify
from export.c.run import WARNINGS, compiler, lacking, run_c
from export.c.source import Origin, file_names, write_c
from export.c.text import comment, literal
from export.folding.folded import FoldedNet
from export.int8.calibration import PLAIN, calibrate
from export.int8.record import Quantization
from export.int8.source import known_quantization
from export.integer.net import IntegerNet, lower
from export.integer.run import evaluate
from pixels.mosaics import mosaics
from zoo.preprocessing import CIFAR, Preprocessing
from zoo.reference import open_model

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C compiler here")
COMPILERS = [
    pytest.param(name, marks=pytest.mark.skipif(not shutil.which(name), reason="")) for name in ("gcc", "clang")
]
GCC, GPP = shutil.which("gcc"), shutil.which("g++")
SANITIZED = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
LABELS = tuple(f"class {index}" for index in range(10))


def origin(name: str, **changes: object) -> Origin:
    return replace(Origin(name, "mine", "0" * 64, "Apache-2.0", ()), **changes)


def written(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="ascii")
    return folder


def calibrated(
    spec: zoo.Spec, preprocessing: Preprocessing, randomised: Callable
) -> tuple[nn.Sequential, Quantization]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        folded = fold(randomised(zoo.DiracNet(spec)))
    noise = torch.from_numpy(mosaics(preprocessing.size, spec.in_channels, (1, 4)))
    return folded, calibrate(folded, noise, preprocessing, method=PLAIN)


def cc(folder: Path, *arguments: str, name: str = "cc") -> subprocess.CompletedProcess:
    files = sorted(str(path) for path in folder.glob("*.c"))
    return subprocess.run(
        [name, *WARNINGS, *arguments, *files], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def shipped() -> tuple[IntegerNet, zoo.Checkpoint]:
    record = zoo.get_weight("diracnet16_cifar", "cifar10")
    folded = FoldedNet.of(zoo.load_weight(record, "folded"))
    return lower(folded.net, known_quantization(folded, record), CIFAR), folded.checkpoint


@pytest.fixture(scope="module")
def program(shipped: tuple[IntegerNet, zoo.Checkpoint], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of a shipped net, with sanitizers."""
    net, checkpoint = shipped
    files = write_c(net, origin(checkpoint.spec.name, labels=checkpoint.labels), CIFAR)
    folder = written(tmp_path_factory.mktemp("program") / "c", files)
    done = cc(folder, *SANITIZED, "-o", "program")
    assert done.returncode == 0, done.stderr
    return folder / "program"


def test_it_computes_the_integer_nets_bits_and_nothing_out_of_bounds(small_net) -> None:
    net = lower(small_net.net, small_net.record, small_net.preprocessing)
    files = write_c(net, origin(small_net.spec.name), small_net.preprocessing)
    assert tuple(files) == file_names(small_net.spec.name)
    found = run_c(files, small_net.spec.name, small_net.pictures, SANITIZED)
    np.testing.assert_array_equal(found, evaluate(net, small_net.pictures))


@pytest.mark.parametrize("name", COMPILERS)
def test_compilers_have_nothing_to_say(small_net, name: str, tmp_path: Path) -> None:
    net = lower(small_net.net, small_net.record, small_net.preprocessing)
    folder = written(tmp_path, write_c(net, origin(small_net.spec.name), small_net.preprocessing))
    done = cc(folder, "-Wconversion", "-O2", "-fsyntax-only", name=name)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_net_needs_no_library_and_has_no_state(shipped: tuple[IntegerNet, zoo.Checkpoint], tmp_path: Path) -> None:
    net, checkpoint = shipped
    name = checkpoint.spec.name
    files = write_c(net, origin(name), CIFAR)
    own = {file: text for file, text in files.items() if file != "main.c"}
    code = {file: re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL) for file, text in own.items()}
    included = {line for text in code.values() for line in re.findall(r"#include .*", text)}
    assert included == {"#include <stdint.h>", "#include <string.h>", f'#include "{name}.h"'}
    assert not any(re.search(r"\b(float|double|malloc|free)\b", text) for text in code.values())
    folder = written(tmp_path, own)
    assert cc(folder, "-O2", "-fno-pic", "-fno-pie", "-c").returncode == 0
    symbols = subprocess.run(
        [shutil.which("nm"), *sorted(str(path) for path in folder.glob("*.o"))],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    kinds = re.findall(r" ([A-Za-z]) (\S+)$", symbols, flags=re.MULTILINE)
    assert {symbol for kind, symbol in kinds if kind == "U"} <= {"memcpy", "memset", f"{name}_layers", f"{name}_codes"}
    assert {kind for kind, _ in kinds} <= set("UTtRr")  # code and constants: no data that could change


@pytest.mark.parametrize("file", [1, 2], ids=["net", "weights"])
def test_files_of_another_net_do_not_compile(small_net, file: int, tmp_path: Path) -> None:
    net = lower(small_net.net, small_net.record, small_net.preprocessing)
    first = net.convolutions[0]
    changed = replace(first, bias=first.bias + 1)
    other = replace(net, steps=tuple(changed if step is first else step for step in net.steps))
    files, others = (write_c(each, origin(small_net.spec.name), small_net.preprocessing) for each in (net, other))
    name = file_names(small_net.spec.name)[file]
    done = cc(written(tmp_path, {**files, name: others[name]}), "-fsyntax-only")
    assert done.returncode and f"{name} and {small_net.spec.name}.h are not of the same net" in done.stderr


def test_text_of_others_stays_text(small_net, tmp_path: Path) -> None:
    net = lower(small_net.net, small_net.record, small_net.preprocessing)
    odd = ('quote " and \\', "trigraph ??/", "Füchse 狐", "percent %s", *LABELS)[: net.classes]
    hostile = origin(small_net.spec.name, weights="*/ #error no /*", licence="mine */\n#error no\n??/", labels=(*odd,))
    files = write_c(net, hostile, small_net.preprocessing)
    main = f'#include <stdio.h>\n#include "{small_net.spec.name}.h"\nint main(void)\n{{\n'
    main += f"    for (int i = 0; i < {net.classes}; i++)\n        puts({small_net.spec.name.upper()}_LABELS[i]);\n}}\n"
    folder = written(tmp_path, {**files, "main.c": main})
    done = cc(folder, "-trigraphs", "-o", "program")
    assert done.returncode == 0, done.stderr
    printed = subprocess.run([folder / "program"], capture_output=True, check=True).stdout.decode()
    assert tuple(printed.splitlines()) == odd


def test_comments_and_literals() -> None:
    assert comment("a */ b /* c") == "a *? b /? c" and comment("a\nb\\") == "a?b\\"
    assert literal("a?\n") == '"a\\?\\012"'


@pytest.mark.parametrize(
    ("channels", "header"),
    [
        (1, b"P5\n6 4\n255\n"),
        (4, b"P7\n# a comment\nWIDTH 6\nHEIGHT 4\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"),
    ],
    ids=["grey", "RGBA"],
)
def test_grey_and_rgba_pictures_are_read(channels: int, header: bytes, randomised: Callable, tmp_path: Path) -> None:
    """The picture is smaller than the net's, so that its border is black."""
    spec = zoo.Spec(depth=10, width=0.25, family="cifar", in_channels=channels)
    preprocessing = replace(CIFAR.with_channels(channels), resize=16, size=20)
    net = lower(*calibrated(spec, preprocessing, randomised), preprocessing)
    folder = written(tmp_path, write_c(net, origin(spec.name), preprocessing))
    done = cc(folder, *SANITIZED, "-o", "program")
    assert done.returncode == 0, done.stderr
    pixels = np.random.default_rng(0).integers(0, 256, 24 * channels, np.uint8).tobytes()
    (folder / "good").write_bytes(header + pixels)
    (folder / "short").write_bytes(header + pixels[:-1])
    (folder / "wrong").write_bytes(b"P6" + (header + pixels)[2:])
    run = subprocess.run(
        [folder / "program", "good", "short", "wrong"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1 and re.fullmatch(r"good: \d", run.stdout.strip())
    assert re.match(r"short: the file ends early\nwrong is not a binary P[GA]M with 8 bits", run.stderr)


def test_the_program_names_what_is_in_a_picture(program: Path, root: Path, tmp_path: Path) -> None:
    with Image.open(root / "docs" / "cat.jpg") as picture:
        picture.save(tmp_path / "cat.ppm")
        small = picture.resize((32, 32))
    header, pixels = b"P6 # a comment\n# another\n32\t32\n255\n", small.tobytes()
    (tmp_path / "small.ppm").write_bytes(header + pixels)
    done = subprocess.run([program, "cat.ppm", "small.ppm"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["cat.ppm: cat", "small.ppm: cat"]


BAD: dict[str, bytes] = {
    "empty": b"",
    "text": b"P3\n1 1\n255\n0 0 0\n",
    "grey": b"P5\n1 1\n255\n0",
    "short": b"P6\n2 2\n255\n0123",
    "deep": b"P6\n1 1\n65535\n012345",
    "flat": b"P6\n0 5\n255\n",
    "huge": b"P6\n99999999999999999999 5\n255\n",
    "negative": b"P6\n-1 5\n255\n",
    "comment": b"P6 # no end",
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_the_program_says_what_is_wrong_with_a_file(program: Path, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "picture.ppm").write_bytes(content)
    done = subprocess.run([program, "picture.ppm"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert re.fullmatch(r"picture\.ppm(: the file ends early| is not a binary PPM with 8 bits .*)", done.stderr.strip())


def test_what_the_compiler_says_is_passed_on(small_net, monkeypatch: pytest.MonkeyPatch) -> None:
    net = lower(small_net.net, small_net.record, small_net.preprocessing)
    files = write_c(net, origin(small_net.spec.name), small_net.preprocessing)
    source = file_names(small_net.spec.name)[1]
    with pytest.raises(RuntimeError, match=r"(?s)ended with 1: .*unknown"):
        run_c({**files, source: files[source] + "unknown;\n"}, small_net.spec.name, small_net.pictures)
    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="the program gave 7 bytes for 3 pictures"):
        patched.setattr("export.c.run._run", lambda command, given: b"1234567")
        run_c(files, small_net.spec.name, small_net.pictures[:3])
    monkeypatch.setenv("CC", "no-such-compiler")
    assert lacking() == "without a C compiler (cc, or CC)"
    with pytest.raises(FileNotFoundError, match=r"no C compiler: install one, or name it in the variable CC"):
        run_c(files, small_net.spec.name, small_net.pictures)


@pytest.mark.skipif(not (GCC and GPP), reason="needs gcc and g++")
def test_the_header_serves_programs_in_cpp(small_net, tmp_path: Path) -> None:
    net = lower(small_net.net, small_net.record, small_net.preprocessing)
    name = small_net.spec.name
    folder = written(tmp_path / "c", write_c(net, origin(name), small_net.preprocessing))
    (folder / "main.c").unlink()
    program = "static uint8_t p[N_PIXELS], s[N_SCRATCH]; static int8_t l[N_CLASSES];"
    text = f'#include "{name}.h"\n{program}\nint main() {{ return n_logits(p, l, s) + (N_LABELS[0] == nullptr); }}\n'
    (folder / "main.cpp").write_text(text.replace("N_", f"{name.upper()}_").replace("n_logits", f"{name}_logits"))
    subprocess.run([GCC, "-c", *folder.glob("*.c")], cwd=folder, check=True)
    subprocess.run([GPP, "main.cpp", *folder.glob("*.o")], cwd=folder, check=True)
    assert subprocess.run([folder / "a.out"], check=False).returncode == 0


def test_the_compiler_may_have_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    found = compiler()
    assert found is not None
    monkeypatch.setenv("CC", f"'{found[0]}' -O1 -DNOTHING")
    assert compiler() == (found[0], "-O1", "-DNOTHING") and lacking() is None
    monkeypatch.setenv("CC", "no-such-compiler -O1")
    assert compiler() is None


@pytest.mark.skipif(sys.platform == "win32", reason="needs a script that is a program")
@pytest.mark.parametrize("script", ["echo 'xcrun: error: invalid developer path' >&2; exit 1", "exit 0"])
def test_a_compiler_that_does_not_work_is_none(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS without its tools, where cc is there all the same: that is no fault of the bundle."""
    broken = tmp_path / "cc"
    broken.write_text(f"#!/bin/sh\n{script}\n")
    broken.chmod(0o755)
    assert lacking() is None
    export_bundle(open_model("diracnet10_cifar")[0], tmp_path / "bundle", formats=["c"])
    monkeypatch.setenv("CC", str(broken))
    assert f"the C compiler {broken} makes no program that runs here (" in (lacking() or "")
    _, check = (check for check in verify(tmp_path / "bundle") if check.title.startswith("c: "))
    assert check.title == "c: not compiled" and str(broken) in check.note and check.passed
