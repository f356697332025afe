"""The core imports neither timm nor torchvision's adapter."""

import subprocess
import sys
from pathlib import Path


def test_the_core_imports_neither(root: Path, tmp_path: Path) -> None:
    program = (
        "import sys, zoo; zoo.get_model('diracnet10_cifar')\n"
        "for name in zoo.__all__: getattr(zoo, name)\n"
        "print([name for name in ('timm', 'zoo.timm', 'zoo.torchvision') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "[]\n", done.stderr
