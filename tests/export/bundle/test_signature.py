"""Signatures: who made a bundle. Keys and certificates are made by openssl, and model-signing's own command agrees."""

import inspect
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from model_signing import signing
from sigstore.models import ClientTrustConfig

from export.__main__ import main
from export.bundle.signature import check_signature, sign
from export.bundle.sums import faults, write_sums
from export.proof.check import VerificationError

OPENSSL = shutil.which("openssl")
KEPT = Path(__file__).parent / "kept" / "format1"


def openssl(*arguments: object) -> None:
    subprocess.run([OPENSSL, *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys of me and of you, mine also with a password, one of another kind, and my certificate by an authority."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("me", "you", "authority", "other"):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", folder / f"{name}.pem")
        openssl("ec", "-in", folder / f"{name}.pem", "-pubout", "-out", folder / f"{name}.pub")
    openssl("ec", "-in", folder / "me.pem", "-aes256", "-passout", "pass:secret", "-out", folder / "locked.pem")
    openssl("genrsa", "-out", folder / "rsa.pem", "2048")
    (folder / "usage").write_text("keyUsage=digitalSignature\n", encoding="utf-8")
    for name in ("authority", "other"):
        root = ("-key", folder / f"{name}.pem", "-subj", f"/CN={name}", "-days", "9", "-out", folder / f"{name}.crt")
        openssl("req", "-x509", "-new", *root)
    openssl("req", "-new", "-key", folder / "me.pem", "-subj", "/CN=me", "-out", folder / "me.csr")
    by = ("-CA", folder / "authority.crt", "-CAkey", folder / "authority.pem", "-CAcreateserial", "-days", "9")
    openssl("x509", "-req", "-in", folder / "me.csr", *by, "-extfile", folder / "usage", "-out", folder / "me.crt")
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(KEPT, tmp_path / "bundle"))


def test_what_was_signed_is_verified_by_us_and_by_the_library(keys: Path, bundle: Path) -> None:
    sign(bundle, key=keys / "me.pem")
    assert check_signature(bundle, public_key=keys / "me.pub").passed
    assert faults(bundle) == []
    command = [sys.executable, "-m", "model_signing", "verify", "key", bundle, "--signature", bundle / "model.sig"]
    done = subprocess.run([*command, "--public_key", keys / "me.pub"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "succeeded" in done.stdout + done.stderr, done.stderr
    # What Git and the Hub's client add is no part of the bundle; signing again replaces the signature.
    (bundle / ".gitattributes").write_text("* text\n", encoding="utf-8")
    sign(bundle, key=keys / "you.pem")
    assert check_signature(bundle, public_key=keys / "you.pub").passed


@pytest.mark.parametrize(
    ("here", "name"), [(".", "bundle"), (".", "./bundle"), (".", "../{}/bundle"), ("..", "{}/bundle")]
)
def test_a_folder_may_be_named_in_any_way(
    here: str, name: str, keys: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path / here)
    named = Path(name.format(tmp_path.name))
    sign(named, key=keys / "me.pem")
    assert check_signature(named, public_key=keys / "me.pub").passed
    assert check_signature(bundle, public_key=keys / "me.pub").passed
    sign(bundle, key=keys / "you.pem")
    assert check_signature(named, public_key=keys / "you.pub").passed


def test_a_signed_bundle_is_verified_in_the_hubs_cache(keys: Path, bundle: Path, tmp_path: Path) -> None:
    """Where every file is a link to its content, and links lead out of the folder."""
    sign(bundle, key=keys / "me.pem")
    snapshot, blobs = tmp_path / "cache" / "snapshots" / "abc", tmp_path / "cache" / "blobs"
    blobs.mkdir(parents=True)
    for number, file in enumerate(sorted(path for path in bundle.rglob("*") if path.is_file())):
        link = snapshot / file.relative_to(bundle)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(shutil.copyfile(file, blobs / str(number)))
    assert check_signature(snapshot, public_key=keys / "me.pub").passed
    (snapshot / "labels.txt").resolve().write_text("nothing\n", encoding="utf-8")
    with pytest.raises(VerificationError, match=r"not of these files: .*labels\.txt"):
        check_signature(snapshot, public_key=keys / "me.pub")


def test_certificates_lead_to_an_authority(keys: Path, bundle: Path) -> None:
    sign(bundle, key=keys / "me.pem", certificate=keys / "me.crt")
    assert check_signature(bundle, authority=keys / "authority.crt").passed
    with pytest.raises(VerificationError, match=r"its certificate is not one of .*other\.crt"):
        check_signature(bundle, authority=keys / "other.crt")


def test_a_key_may_have_a_password(keys: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for word in (None, "wrong"):
        if word:
            monkeypatch.setenv("DIRACNET_KEY_PASSWORD", word)
        with pytest.raises(ValueError, match=r"password is missing or wrong; DIRACNET_KEY_PASSWORD holds it"):
            sign(bundle, key=keys / "locked.pem")
    monkeypatch.setenv("DIRACNET_KEY_PASSWORD", "secret")
    sign(bundle, key=keys / "locked.pem")
    assert check_signature(bundle, public_key=keys / "me.pub").passed
    with pytest.raises(ValueError, match=r"locked\.pem has a password, and .* takes no certificate with that; make"):
        sign(bundle, key=keys / "locked.pem", certificate=keys / "me.crt")
    sign(bundle, key=keys / "me.pem")  # which has none, whatever the variable says
    assert check_signature(bundle, public_key=keys / "me.pub").passed


def test_what_a_file_manager_adds_is_not_signed(keys: Path, bundle: Path) -> None:
    (bundle / ".DS_Store").touch()
    sign(bundle, key=keys / "me.pem")
    for name in ("onnx/.DS_Store", "Thumbs.db", "onnx/desktop.ini"):
        (bundle / name).touch()
    (bundle / ".DS_Store").write_bytes(b"changed")
    assert check_signature(bundle, public_key=keys / "me.pub").passed and not faults(bundle)


def consistently(bundle: Path) -> None:
    """Exchange a file, and rewrite SHA256SUMS, as somebody may who has no key."""
    (bundle / "labels.txt").write_text("nothing\n", encoding="utf-8")
    write_sums(bundle)


TAMPERED: dict[str, tuple[Callable[[Path], object], str]] = {
    "file altered": (
        lambda bundle: (bundle / "labels.txt").write_text("x"),
        r"not of these files: altered: labels\.txt$",
    ),
    "file exchanged": (consistently, r"these files: altered: SHA256SUMS; altered: labels\.txt$"),
    "file added": (lambda bundle: (bundle / "more.txt").touch(), r"these files: added: more\.txt$"),
    "file removed": (lambda bundle: (bundle / "labels.txt").unlink(), r"these files: removed: labels\.txt$"),
    "signature removed": (lambda bundle: (bundle / "model.sig").unlink(), r"is not signed: it has no model\.sig"),
    "signature emptied": (lambda bundle: (bundle / "model.sig").write_text(""), "damaged, or no signature"),
    "signature of another kind": (lambda bundle: (bundle / "model.sig").write_text("{}"), "damaged, or no signature"),
}


@pytest.mark.parametrize("kind", TAMPERED)
def test_whatever_is_changed_afterwards_is_named(kind: str, keys: Path, bundle: Path) -> None:
    tamper, message = TAMPERED[kind]
    sign(bundle, key=keys / "me.pem")
    tamper(bundle)
    with pytest.raises(VerificationError, match=message):
        check_signature(bundle, public_key=keys / "me.pub")


def test_another_key_is_named_also_where_the_signature_claims_it(keys: Path, bundle: Path) -> None:
    path = sign(bundle, key=keys / "you.pem")
    with pytest.raises(VerificationError, match=r"not made with the key of .*me\.pub"):
        check_signature(bundle, public_key=keys / "me.pub")
    forged = json.loads(path.read_text(encoding="utf-8"))
    mine = json.loads(sign(bundle, key=keys / "me.pem").read_text(encoding="utf-8"))
    forged["verificationMaterial"] = mine["verificationMaterial"]
    path.write_text(json.dumps(forged), encoding="utf-8")
    with pytest.raises(VerificationError, match=r"not made with the key of .*me\.pub"):
        check_signature(bundle, public_key=keys / "me.pub")


def test_what_is_no_key_or_no_whole_bundle_is_refused(keys: Path, bundle: Path) -> None:
    for name in ("rsa.pem", "me.pub", "usage"):
        with pytest.raises(ValueError, match=r"keys are elliptic curves"):
            sign(bundle, key=keys / name)
    with pytest.raises(FileNotFoundError, match="cannot sign"):
        sign(bundle, key=keys / "none.pem")
    with pytest.raises(ValueError, match="the key that it certifies is needed too"):
        sign(bundle, certificate=keys / "me.crt")
    with pytest.raises(ValueError, match="name one of"):
        check_signature(bundle)
    (bundle / "labels.txt").unlink()
    with pytest.raises(ValueError, match=r"so it is not signed: labels\.txt is missing"):
        sign(bundle, key=keys / "me.pem")
    assert not (bundle / "model.sig").exists()


def test_the_command_line(
    keys: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["diracnet", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        told = capsys.readouterr()
        return end.value.code or 0, told.out + told.err

    assert call("sign", bundle) == (2, "error: name the private key with --key, or log in with --keyless\n")
    status, told = call("sign", bundle, "--key", keys / "me.pem")
    assert status == 0 and told.endswith("model.sig written\n")
    status, told = call("verify", bundle, "--public-key", keys / "me.pub", "--verbose")
    assert status == 0 and "signature" in told, told
    status, told = call("verify", bundle, "--public-key", keys / "you.pub")
    assert status == 1 and told.startswith("error: ") and "was not made with the key of" in told


def test_keyless_calls_are_the_librarys_and_a_missing_network_is_one_line(
    keys: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No signature is made with Sigstore here: the calls are bound to the library's own parameters."""
    signer, asked = inspect.signature(signing.Config.use_sigstore_signer), []

    def with_a_key(config: signing.Config, **options: object) -> signing.Config:
        asked.append(signer.bind(config, **options).arguments)
        return config.use_elliptic_key_signer(private_key=keys / "me.pem")

    unreachable = Mock(side_effect=Exception("Failed to refresh TUF metadata"))  # as Sigstore's own, no RuntimeError
    with monkeypatch.context() as patched:
        patched.setattr(signing.Config, "use_sigstore_signer", with_a_key)
        sign(bundle)
    assert check_signature(bundle, public_key=keys / "me.pub").passed
    assert asked[0]["use_ambient_credentials"] is True  # the workflow's, in CI

    before = (bundle / "model.sig").read_bytes()
    monkeypatch.setattr(ClientTrustConfig, "production", unreachable)
    with pytest.raises(RuntimeError, match=r"cannot sign .*Failed to refresh TUF metadata; it needs a network"):
        sign(bundle)
    with pytest.raises(RuntimeError, match=r"cannot verify who signed .*Failed to refresh"):
        check_signature(bundle, identity=("me@example.org", "https://accounts.google.com"))
    assert (bundle / "model.sig").read_bytes() == before
