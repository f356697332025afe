"""What is printed can neither steer the terminal nor fail because of its encoding, and JSON is always whole."""

import ast
import io
import json
import logging
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import zoo
from export.__main__ import main
from zoo.command_line import run
from zoo.preprocessing import CIFAR
from zoo.printing import json_text, note, printed_once, say, say_json_array, say_table, shown, visible

LABELS = ("\x1b[31mred\x1b[0m", "[bold]猫[/bold]", "back\u202eward", "\U0001f600")
VISIBLE = (r"\x1b[31mred\x1b[0m", "[bold]猫[/bold]", r"back\u202eward", "\U0001f600")
ENCODINGS = ("utf-8", "cp1252", "ascii", "latin-1", "shift_jis", "utf-16")


def printed(call: Callable[[], object], encoding: str = "utf-8") -> tuple[int, str, str]:
    """Run a command line with streams of an encoding; return exit status, output and errors."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True) for _ in range(2)]
    status = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", streams[0])
        patch.setattr(sys, "stderr", streams[1])
        try:
            run(call)
        except SystemExit as ended:
            status = ended.code or 0
    output, errors = (stream.buffer.getvalue().decode(encoding) for stream in streams)
    return status, output, errors


def command(*arguments: object, encoding: str = "utf-8") -> tuple[int, str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["diracnet", *map(str, arguments)])
        return printed(main, encoding)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net whose labels steer terminals, in a folder whose name does."""
    folder = tmp_path_factory.mktemp("printed") / "a\n\x1b[2Jb [red]c"
    trained = zoo.get_model("diracnet10_cifar", num_classes=len(LABELS))
    zoo.Checkpoint.from_model(trained, labels=LABELS, preprocessing=CIFAR).save(folder / "net.safetensors")
    Image.new("RGB", (32, 32)).save(folder / "\x1b]0;title\x07.png")
    (folder / "broken\nerror: forged.png").write_bytes(b"no picture")
    return folder / "net.safetensors"


def test_no_character_that_a_terminal_obeys_or_hides_is_left() -> None:
    kept = {" ", "\u200c", "\u200d"}
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        text, kind = visible(character), unicodedata.category(character)
        if kind in ("Cc", "Cs", "Zl", "Zp") or (kind == "Cf" and character not in kept):
            assert text.isascii() and text.isprintable() and text.startswith("\\"), hex(code)
            assert text.encode().decode("unicode_escape") == character
        elif kind[0] in "LMNPS" or kind == "Zs":
            assert text == character, hex(code)


def test_lines_and_cells_stay_one(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\nb", Path("c\rd"))
    say_table(("head\n", "[bold]"), [("x\ny", ["1\n2", "[/nonsense]"]), (3, "\x1b[31m")])
    output = capsys.readouterr().out
    assert output.startswith("a\\nb\nc\\rd\n")
    lines = output.splitlines()
    assert len(lines) == 2 + 4 + 3 and "\x1b" not in output and "\\x1b[31m" in output
    assert r"x\ny" in output and "[/nonsense]" in output and "[bold]" in lines[3] and r"head\n" in lines[3]
    assert shown("[bold]x[/bold]").plain == "[bold]x[/bold]"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_is_ascii_and_the_same_in_every_encoding(encoding: str) -> None:
    value = {"labels": [*LABELS, "\x7f\x9b", "\udcff"]}
    assert json_text(value).isascii() and json.loads(json_text(value)) == value
    assert all(each == "\n" or each.isprintable() for each in json_text(value))

    status, output, _ = printed(lambda: say_json_array([value]), encoding)
    assert status == 0 and json.loads(output) == [value]


def test_an_array_is_whole_json_even_after_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    for values, expected in (([], []), ([1, {"a": [2]}], [1, {"a": [2]}])):
        say_json_array(values)
        assert json.loads(capsys.readouterr().out) == expected
    with pytest.raises(ZeroDivisionError):
        say_json_array(1 // (1 - each) for each in range(3))
    assert json.loads(capsys.readouterr().out) == [1]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_commands_answer_in_every_encoding(encoding: str, net: Path) -> None:
    status, output, errors = command("predict", net, net.parent, encoding=encoding)
    assert status == 1 and "\x1b" not in output + errors and "\x07" not in output + errors
    (line,) = output.splitlines()
    path, _, classes = line.partition(".png: ")
    assert path.endswith(r"a\n\x1b[2Jb [red]c/\x1b]0;title\x07")
    for label in VISIBLE:
        assert label.encode(encoding, "backslashreplace").decode(encoding) in classes
    _, first, last = errors.splitlines()
    assert r"broken\nerror: forged.png is not a readable picture" in first and last.endswith("could not be answered")
    status, output, _ = command("predict", net, net.parent, "--json", encoding=encoding)
    rows = json.loads(output)
    assert status == 1 and output.isascii() and len(rows) == 2
    assert {each["label"] for row in rows for each in row.get("classes", ())} == set(LABELS)
    status, output, errors = command("info", net, "--json", encoding=encoding)
    assert (status, errors) == (0, "") and json.loads(output)["labels"] == list(LABELS)
    status, output, errors = command("info", net, encoding=encoding)
    assert (status, errors) == (0, "") and "\x1b" not in output and "diracnet10_cifar" in output


@pytest.mark.parametrize("arguments", [("info",), ("predict", "x.png"), ("verify",)], ids=lambda each: each[0])
def test_errors_that_quote_what_was_given_are_one_line(arguments: tuple[str, ...], tmp_path: Path) -> None:
    name = tmp_path / "gone\n\x1b[31m\u202e[bold].onnx"
    status, output, errors = command(arguments[0], name, *arguments[1:])
    assert (status, output) == (2, "") and errors.startswith("error: ")
    assert len(errors.splitlines()) == 1 and r"gone\n\x1b[31m\u202e[bold].onnx" in errors


def test_what_is_logged_is_made_visible() -> None:
    logger = logging.getLogger("zoo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.root, "handlers", [])
        status, output, errors = printed(lambda: logger.warning("note: %s", "a\n\x1b[31m"), "ascii")
    assert (status, output, errors) == (0, "", "note: a\\n\\x1b[31m\n")


SOURCES = [
    path
    for package in ("pixels", "zoo", "export")
    for path in (Path(zoo.__file__).parent.parent / package).rglob("*.py")
    if path.name not in ("printing.py", "bash.py")  # which prints words for a shell
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[-3:]))
def test_nothing_else_prints(path: Path) -> None:
    """All text goes through zoo.printing, so that none can be printed as it came."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"line {node.lineno}: use zoo.printing.say, say_json or say_table"
        if isinstance(node, ast.ImportFrom):
            names = {"rich.console", "rich.table", "rich.markup", "rich.text"}
            assert node.module not in names, f"line {node.lineno}: use zoo.printing"


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({}, True),
        ({"WORLD_SIZE": "2", "RANK": "0"}, True),
        ({"WORLD_SIZE": "2", "RANK": "1"}, False),
        ({"RANK": "1"}, True),
    ],
)
def test_one_of_several_processes_prints(
    environment: dict[str, str], shown: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="theirs"), printed_once():
        say("out")
        note("told")
        raise ValueError("theirs")
    found = capsys.readouterr()
    assert (found.out, found.err) == (("out\n", "told\n") if shown else ("", ""))
