"""`diracnet reproduce`: what a bundle says of its making makes it again, and nothing that it says is obeyed."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from export import VerificationError, export_bundle, verify
from export.bundle import provenance, reproduce
from export.bundle.claims import Claims
from export.bundle.reproduce import EQUAL, MEASURED, Reproduction
from export.bundle.sums import files_below, write_sums
from export.formats.names import NAMES
from export.formats.table import FORMATS
from export.layout import CARD, CONFIG, FILES, FOLDED, QUANTIZATION, REPORT, SIGNATURE, SUMS, TRAINING_FORM
from zoo import Checkpoint, get_weight, load_weight
from zoo.files import read_json, sha256, write_json
from zoo.reference import open_model
from zoo.revision import Revision

KEPT = Path(__file__).parent / "kept"
CURRENT = KEPT / "format1"
"""A bundle of weights of somebody's own, in all formats."""
OWN = str(CURRENT / TRAINING_FORM)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CURRENT, tmp_path / "bundle"))


@pytest.fixture
def as_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the bundle that is made again be the kept one, which takes no time."""
    monkeypatch.setattr(reproduce, "export_bundle", lambda source, out, **options: shutil.copytree(CURRENT, out))


def edit(folder: Path, change: Callable[[dict], object]) -> None:
    """Change a bundle's provenance as somebody would who also rewrites the checksums."""
    report = read_json(folder / REPORT)
    change(report["provenance"])
    write_json(folder / REPORT, report)
    write_sums(folder)


def parameters(made: dict) -> dict:
    return made["buildDefinition"]["externalParameters"]


def named(made: dict, name: str) -> dict:
    return next(each for each in made["buildDefinition"]["resolvedDependencies"] if each["name"] == name)


def test_a_bundle_in_all_formats_is_made_again(bundle: Path, diracnet: Callable) -> None:
    (bundle / SIGNATURE).write_text("{}")
    status, output, errors = diracnet("reproduce", bundle, "--from", OWN, "--json")
    told = json.loads(output)
    assert status == 0 and told["reproduced"] is True, errors
    assert told["files"].keys() == {*FILES, CARD, *(path for row in FORMATS.values() for path in made_by(row))}
    assert {name for name, result in told["files"].items() if result != EQUAL} <= {REPORT, SUMS}
    assert any(f"{SIGNATURE} is left out" in each for each in told["notes"])
    assert any(f"{QUANTIZATION} is taken from the bundle" in each for each in told["notes"])
    assert told["command"] == f"diracnet export MODEL --formats {','.join(NAMES)} --feature group1 --calibration DATA"


def made_by(row: object) -> list[str]:
    return row.files(read_json(CURRENT / CONFIG)["name"])


def test_untrained_nets_and_those_of_the_registry_need_no_word_more(untrained: Path, tmp_path: Path) -> None:
    assert not reproduce.reproduce(untrained).failed
    record = get_weight("diracnet10_cifar", "cifar10")
    named_there = replace(record, repository="me/net", metrics={**record.metrics, "top1": 99.9})
    export_bundle(load_weight(record, "folded"), tmp_path / "b", record=named_there, features=["group2"])
    done = reproduce.reproduce(tmp_path / "b")
    assert not done.failed and TRAINING_FORM not in done.files
    assert any("the figures are the bundle's own, {" in each and "'top1': 86.3" in each for each in done.notes)
    assert done.command == "diracnet export diracnet10_cifar:cifar10 --formats fp32 --feature group2"


def test_what_its_owner_said_is_made_again(randomised_checkpoint: Callable[[str], Checkpoint], tmp_path: Path) -> None:
    source = randomised_checkpoint("diracnet10_cifar")
    source.save(tmp_path / "mine.safetensors")
    said, _ = Claims(licence="MIT", dataset="my pets").of(replace(source, labels=tuple("abcdefghij")), None)
    export_bundle(said, tmp_path / "b")
    assert not reproduce.reproduce(tmp_path / "b", str(tmp_path / "mine.safetensors")).failed


@pytest.mark.usefixtures("as_kept")
@pytest.mark.parametrize("name", files_below(CURRENT))
def test_a_changed_byte_is_named_in_every_file(bundle: Path, name: str, diracnet: Callable) -> None:
    if name == REPORT:
        edit(bundle, lambda made: named(made, QUANTIZATION)["digest"].update(more="0" * 64))
    else:
        content = bytearray((bundle / name).read_bytes())
        content[-2] ^= 1
        (bundle / name).write_bytes(content)
    status, output, errors = diracnet("reproduce", bundle, "--from", OWN)
    if name == QUANTIZATION:  # an input
        assert status == 1 and f"{QUANTIZATION} is not the one" in errors
        return
    told = errors.splitlines()[-1].partition(" makes: ")[2].split(", ")
    assert status == 1 and f"{name} is different" in told and name in output
    assert set(told) <= {f"{each} is different" for each in (name, SUMS)}


@pytest.mark.usefixtures("as_kept")
def test_missing_and_other_files_are_named(bundle: Path) -> None:
    (bundle / CARD).rename(bundle / "OTHER.md")
    assert reproduce.reproduce(bundle, OWN).failed == {CARD: "missing", "OTHER.md": "extra"}


@pytest.mark.usefixtures("as_kept")
def test_only_what_is_measured_may_differ_in_the_report(bundle: Path) -> None:
    report = read_json(bundle / REPORT)
    report["checks"][0]["figure"] *= 1.5
    write_json(bundle / REPORT, {**report, "machine": "another", "threads": 64})
    assert reproduce.reproduce(bundle, OWN).failed == {REPORT: "different"}  # SHA256SUMS says so
    write_sums(bundle)
    done = reproduce.reproduce(bundle, OWN)
    assert not done.failed and {name for name in done.files if done.files[name] == MEASURED} == {REPORT, SUMS}
    for change in ({"name": "another"}, {"more": 1}, {"checks": report["checks"][1:]}):
        write_json(bundle / REPORT, {**report, **change})
        write_sums(bundle)
        assert set(reproduce.reproduce(bundle, OWN).failed) == {REPORT, SUMS}, change


@pytest.mark.usefixtures("as_kept")
def test_other_versions_are_told_and_do_not_matter(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def older(made: dict) -> None:
        code = named(made, "code")
        code.update(uri="pkg:pypi/diracnet-zoo@0.0.1", digest={"gitCommit": "1" * 40}, annotations={"modified": True})
        made["runDetails"]["builder"]["version"].update(onnx="1.0.0", odd="3")

    edit(bundle, older)
    monkeypatch.setattr(provenance, "own", lambda: Revision("2" * 40))
    done = reproduce.reproduce(bundle, OWN)
    text = "\n".join(done.notes)
    assert not done.failed and "pkg:pypi/diracnet-zoo@0.0.1; here is pkg:pypi/diracnet-zoo" in text
    assert f"another commit made it: {'1' * 40}; here is {'2' * 40}" in text
    assert "the code that made it has changes that are in no commit" in text and "is here has changes" not in text
    assert "odd 3, here not installed; onnx 1.0.0, here " in text


def test_where_the_weights_are_is_said(bundle: Path, tmp_path: Path, diracnet: Callable) -> None:
    status, _, errors = diracnet("reproduce", bundle)
    assert status == 2 and "made of weights that are not the registry's: name them with --from" in errors
    other, _ = open_model("diracnet10_cifar")
    other.save(tmp_path / "other.safetensors")
    status, _, errors = diracnet("reproduce", bundle, "--from", tmp_path / "other.safetensors")
    assert status == 2 and "other.safetensors is not what" in errors and "sha256 of its tensors is" in errors
    assert diracnet("reproduce", bundle, "--from", tmp_path / "none.safetensors")[0] == 2
    assert diracnet("reproduce", tmp_path)[0] == 2


def test_a_bundle_of_before_is_told_as_one(diracnet: Callable) -> None:
    status, output, errors = diracnet("reproduce", KEPT / "format0")
    assert status == 2 and not output and "does not say how it was made" in errors
    assert len(errors.splitlines()) == 1


HOSTILE = {
    "model": ["../../etc/passwd", "/etc/passwd", "$(touch pwned)", "a;touch pwned", "me/net\x1b[2J", "x" * 5000, 3],
    "command": ["touch pwned", "diracnet export --out /tmp", "x" * (2 << 20), "a\nb", None],
    "formats": [["fp32", "../c"], ["`touch pwned`"], ["fp32", "fp32"], ["int8"], "fp32", [], ["fp32"] * 100_000],
    "features": [["group1; touch pwned"], ["../x"], ["\x1b[31m"], ["x" * 5000], {"a": 1}],
    "form": ["flat", "dirac\n", None],
    "quantization": ["mine", "/etc/passwd"],
    "net": [{}, {"form": "dirac"}, None],
    "touch": ["pwned"],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in HOSTILE.items() for value in values])
def test_nothing_hostile_is_taken_from_a_provenance(
    bundle: Path,
    key: str,
    value: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    diracnet: Callable,
) -> None:
    monkeypatch.chdir(tmp_path)
    for made in ("subprocess.run", "subprocess.Popen", "os.system"):
        monkeypatch.setattr(made, lambda *arguments, **options: pytest.fail("a program was started"))
    monkeypatch.setattr(reproduce, "export_bundle", lambda *arguments, **options: pytest.fail("something was made"))
    edit(bundle, lambda made: parameters(made).update({key: value}))
    status, output, errors = diracnet("reproduce", bundle, "--from", OWN)
    assert (status, output) == (2, "") and REPORT in errors and key in errors
    assert len(errors) < 1000 and errors.isascii() and all(each.isprintable() for each in errors.splitlines())
    with pytest.raises(VerificationError, match=REPORT):
        verify(bundle)


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made.update(more=1),
        lambda made: made.pop("runDetails"),
        lambda made: made["runDetails"]["builder"]["version"].update(onnx="1\x1b[31m"),
        lambda made: made["buildDefinition"].update(buildType="https://example.org/other"),
        lambda made: made["buildDefinition"].update(resolvedDependencies=[]),
        lambda made: named(made, "weights").pop("digest"),
        lambda made: named(made, "weights")["digest"].update(sha256="../x"),
        lambda made: named(made, "code")["digest"].update(gitCommit="main"),
        lambda made: parameters(made).pop("net"),
    ],
)
def test_a_damaged_provenance_is_refused(bundle: Path, change: Callable[[dict], object], diracnet: Callable) -> None:
    if not named(read_json(bundle / REPORT)["provenance"], "code").get("digest"):
        pytest.fail("the kept bundle was made where the commit is not known; make it again in a clone")
    edit(bundle, change)
    status, output, errors = diracnet("reproduce", bundle, "--from", OWN)
    assert (status, output) == (2, "") and f"{REPORT} is damaged" in errors and errors.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda made: named(made, "weights")["digest"].update(sha256="0" * 64), "resolvedDependencies"),
        (lambda made: named(made, QUANTIZATION)["digest"].update(sha256="0" * 64), "resolvedDependencies"),
        (lambda made: parameters(made)["net"].update(weights="yours"), "externalParameters"),
        (lambda made: parameters(made).update(features=[]), "externalParameters"),
    ],
)
def test_verify_compares_the_provenance_with_the_other_files(
    bundle: Path, change: Callable[[dict], object], part: str
) -> None:
    edit(bundle, change)
    with pytest.raises(VerificationError, match=rf"the {part} of its provenance do not fit"):
        verify(bundle)


def test_the_provenance_has_no_path_and_the_digests_of_what_it_was_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    record = get_weight("diracnet10_cifar", "cifar10")
    export_bundle(load_weight(record, "dirac"), tmp_path / "b", record=record)
    made = read_json(tmp_path / "b" / REPORT)["provenance"]
    assert named(made, "weights")["digest"]["sha256"] == record.files["dirac"].sha256
    assert sha256(tmp_path / "b" / TRAINING_FORM) == record.files["dirac"].sha256
    for half in ("train", "test"):
        assert named(made, f"{half} pictures")["digest"]["sha256"] == record.provenance["data_sha256"][half]
    assert parameters(made).keys() == {"model", "form", "formats", "features", "command"}
    assert not any(part in json.dumps(made) for part in (str(tmp_path), "somebody", str(Path.cwd())))


def test_a_reproduction_fails_where_a_file_does() -> None:
    files = {CARD: EQUAL, REPORT: MEASURED, FOLDED: "different"}
    assert Reproduction("", files, ()).failed == {FOLDED: "different"}
