"""Clients of the Hub in every setting against the test server.

`python tests/hub/matrix.py [PYTHON …]` prints the table for these Pythons, by default for the one that runs it. Each
needs huggingface_hub, with hf_xet or without, and nothing else of what this package needs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
SETTINGS = {
    "Xet": (True, {}),
    "Xet, without shared blobs": (True, {"HF_HUB_DISABLE_SHARED_BLOBS": "1"}),
    "Xet, without links": (True, {"NO_LINKS": "1"}),
    "Xet, without both": (True, {"HF_HUB_DISABLE_SHARED_BLOBS": "1", "NO_LINKS": "1"}),
    "Xet off in the client": (True, {"HF_HUB_DISABLE_XET": "1"}),
    "Xet off in the client, without links": (True, {"HF_HUB_DISABLE_XET": "1", "NO_LINKS": "1"}),
    "no Xet at the server": (False, {}),
    "no Xet at the server, without links": (False, {"NO_LINKS": "1"}),
}
"""Name → whether the server has Xet storage, and the client's environment."""


def outcomes(python: str, repository: str, environment: dict[str, str]) -> dict[str, str]:
    """Return how each step of `client.py` ended."""
    command = [python, str(HERE / "client.py"), repository]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    return json.loads(lines[-1]) if done.returncode == 0 and lines else {"start": done.stderr[-2000:]}


def version(python: str) -> str:
    """Return which client a Python has."""
    code = (
        "import huggingface_hub, importlib.util as u; "
        "print(huggingface_hub.__version__, 'with' if u.find_spec('hf_xet') else 'without', 'hf_xet')"
    )
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    with subprocess.Popen(
        [sys.executable, HERE / "server.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        for python in sys.argv[1:] or [sys.executable]:
            print(f"huggingface_hub {version(python)}")
            for name, (xet, more) in SETTINGS.items():
                request = urllib.request.Request(f"{url}/_xet", json.dumps(xet).encode(), method="PUT")  # noqa: S310
                urllib.request.urlopen(request).close()  # noqa: S310
                with tempfile.TemporaryDirectory() as home:
                    own = {
                        "HF_ENDPOINT": url,
                        "HF_HOME": home,
                        "HF_TOKEN": "hf_write",
                        "PYTHONPATH": str(HERE.parent.parent),
                    }
                    begin = time.monotonic()
                    environment = {"PATH": os.environ["PATH"], **own, **more}
                    found = outcomes(python, f"matrix/{os.urandom(4).hex()}", environment)
                shown = "all ok" if set(found.values()) == {"ok"} else json.dumps(found)
                print(f"  {name:38} {time.monotonic() - begin:5.1f} s  {len(found)} steps: {shown}", flush=True)
        server.stdin.close()


if __name__ == "__main__":
    main()
