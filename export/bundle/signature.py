"""Signatures of bundles in the format of OpenSSF Model Signing: they tell who made a bundle.

The signature, `model.sig`, covers every file but itself and those that Git and the Hub's client add. Keys are elliptic
curves in PEM files: `openssl ecparam -name prime256v1 -genkey -noout -out key.pem`, and
`openssl ec -in key.pem -pubout -out public.pem`.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

from export.bundle.sums import FOREIGN, faults, left_behind, require_bundle
from export.layout import SIGNATURE
from export.proof.check import Check, VerificationError
from zoo.files import replace_file

PASSWORD = "DIRACNET_KEY_PASSWORD"  # noqa: S105 (the name of a variable)
"""The variable of the environment that holds the password of an encrypted key."""


def sign(
    folder: Path,
    *,
    key: Path | None = None,
    certificate: Path | None = None,
    chain: Sequence[Path] = (),
) -> Path:
    """Sign a bundle, in place of an earlier signature, and return the signature's path.

    Args:
        folder: the bundle.
        key: the private key, in PEM; its password is taken from DIRACNET_KEY_PASSWORD. Without a key, Sigstore signs
            for the account that its login page, or the workflow of CI, vouches for.
        certificate: the certificate of the key, if those who verify know a certificate authority rather than the key.
        chain: certificates between that one and the authority's.

    Raises:
        FileNotFoundError: the folder is not a bundle, or a file is missing.
        ValueError: the bundle's files are not those of its SHA256SUMS, or the key or a certificate is none.
        RuntimeError: Sigstore cannot be reached, or knows no account.
    """
    if found := faults(folder):
        raise ValueError(f"{folder} is not what its SHA256SUMS lists, so it is not signed: {'; '.join(found)}")
    if certificate and not key:
        raise ValueError(f"certificate={certificate}: the key that it certifies is needed too")
    with _plain(f"cannot sign {folder}"):
        locked = key is not None and _ENCRYPTED in key.read_bytes()
    if certificate and locked:
        raise ValueError(
            f"{key} has a password, and the library takes no certificate with that; make a key without one: "
            f"openssl pkey -in {key} -out PLAIN.pem"
        )
    from model_signing import signing

    config: Any = cast(Any, signing).Config().set_hashing_config(_hashing(folder))
    with _plain(f"cannot sign {folder}", key):
        if certificate and key:
            between = list(chain) or [certificate]  # the library takes no empty chain
            config.use_certificate_signer(private_key=key, signing_certificate=certificate, certificate_chain=between)
        elif key:
            password = os.environ.get(PASSWORD) if locked else None  # the variable may be set for other keys
            config.use_elliptic_key_signer(private_key=key, password=password.encode() if password else None)
        else:
            with _sigstore(f"cannot sign {folder}"):
                config.use_sigstore_signer(use_ambient_credentials=True)
        with tempfile.TemporaryDirectory() as outside:  # a file below the folder would be signed too
            made = Path(outside) / SIGNATURE
            with nullcontext() if key else _sigstore(f"cannot sign {folder}"):
                config.sign(folder, made)
            with replace_file(folder / SIGNATURE) as temporary:
                shutil.copyfile(made, temporary)
    return folder / SIGNATURE


def check_signature(
    folder: Path,
    *,
    public_key: Path | None = None,
    authority: Path | None = None,
    identity: tuple[str, str] | None = None,
) -> Check:
    """Verify a bundle's signature, and return a check that passed.

    Args:
        folder: the bundle.
        public_key: the key of whom you trust, in PEM.
        authority: in place of a key: the certificate of the authority that you trust, in PEM.
        identity: in place of both: the account and its OpenID Connect issuer, for Sigstore, which needs a network.

    Raises:
        FileNotFoundError: the folder is not a bundle, or a key's file is missing.
        ValueError: not exactly one of the three ways was given, or the key is none.
        VerificationError: there is no signature, it is another's, or it is of other files.
        RuntimeError: Sigstore cannot be reached.
    """
    require_bundle(folder)
    if sum(one is not None for one in (public_key, authority, identity)) != 1:
        raise ValueError("name one of a public key, an authority's certificate, or an identity with its issuer")
    if not (folder / SIGNATURE).is_file():
        raise VerificationError(
            f"{folder} is not signed: it has no {SIGNATURE}; ask whom you have it from for the signature"
        )
    from model_signing import verifying

    # The library would ask the signature how to hash, and then refuse links, whatever that says.
    config: Any = cast(Any, verifying).Config().set_hashing_config(_hashing(folder))
    with _plain(f"cannot verify who signed {folder}"):
        if public_key:
            config.use_elliptic_key_verifier(public_key=public_key)
        elif authority:
            config.use_certificate_verifier(certificate_chain=[authority])
        elif identity:
            with _sigstore(f"cannot verify who signed {folder}"):
                config.use_sigstore_verifier(identity=identity[0], oidc_issuer=identity[1])
    signer = public_key or authority or " of ".join(identity or ())
    try:
        config.verify(folder, folder / SIGNATURE)
    except Exception as error:
        raise VerificationError(f"{folder / SIGNATURE}: {_reason(error, signer)}") from error
    return Check("signature", 0, 0, f"made with {signer}")


def _hashing(folder: Path) -> Any:
    """Return how a bundle is hashed: every file, also behind links, as in the Hub's cache, but what is not its own."""
    from model_signing import hashing

    ignored = [SIGNATURE, *FOREIGN, *left_behind(folder)]  # below the bundle's folder, wherever that is
    return cast(Any, hashing).Config().set_ignored_paths(paths=ignored, ignore_git_paths=False).set_allow_symlinks(True)


_ENCRYPTED = b"ENCRYPTED"  # in the first lines of every PEM file with a password


@contextmanager
def _plain(what: str, key: Path | None = None) -> Iterator[None]:
    """Turn what the library says about keys into one line.

    Old versions of cryptography say of whatever is no key that its password may be wrong, so the key's file decides.
    """
    try:
        yield
    except OSError as error:
        raise FileNotFoundError(f"{what}: {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        if (
            key
            and "password" in str(error).lower()
            and (isinstance(error, TypeError) or _ENCRYPTED in key.read_bytes())
        ):
            raise ValueError(f"{what}: the key's password is missing or wrong; {PASSWORD} holds it") from error
        raise ValueError(f"{what}: {error}; keys are elliptic curves (P-256, P-384, P-521) in PEM") from error


@contextmanager
def _sigstore(what: str) -> Iterator[None]:
    """Turn whatever keeps Sigstore from its work, most often that there is no network, into one line."""
    try:
        yield
    except Exception as error:
        told = str(error) or type(error).__name__
        raise RuntimeError(f"{what}: Sigstore says: {told}; it needs a network and an account, keys neither") from error


def _reason(error: Exception, signer: object) -> str:
    """Return what a failed verification means."""
    text = str(error)
    if text.startswith("Signature mismatch: "):
        return f"the signature is good, but not of these files: {_changes(text.removeprefix('Signature mismatch: '))}"
    if "Key mismatch" in text or type(error).__name__ == "InvalidSignature":
        return f"it was not made with the key of {signer}"
    if type(error).__name__ == "X509StoreContextError":
        return f"its certificate is not one of {signer}: {text}"
    return f"it is damaged, or no signature of this kind: {text or type(error).__name__}"


_CHANGES = {
    r"Hash mismatch for '(.*)': Expected .*": r"altered: \1",
    r"Extra files found in model '.*': (.*)": r"added: \1",
    r"Missing files in model '.*': (.*)": r"removed: \1",
}
"""What model-signing says of each difference, and we, who leave out the digests."""


def _changes(told: str) -> str:
    """Return the differences that model-signing lists, in fewer words; what it says otherwise, as it stands."""
    try:
        changes = "\n".join(ast.literal_eval(told))
    except (SyntaxError, TypeError, ValueError):
        return told
    for theirs, ours in _CHANGES.items():
        changes = re.sub(f"^{theirs}$", ours, changes, flags=re.MULTILINE)
    return "; ".join(changes.splitlines())
