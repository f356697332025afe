"""Writes corruptions.npz: what imagecorruptions-imaug makes of a picture, with its own strengths (those for ImageNet).

`python tests/golden/corrupt.py`, where that package is installed. Kept are the pictures of corruptions that draw
nothing at random, and of the others the mean, the deviation and the root mean square change over many draws.
"""

from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
STRENGTHS = {
    "defocus blur": [(3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)],
    "zoom blur": [np.arange(1, 1.11, 0.01), np.arange(1, 1.16, 0.01), np.arange(1, 1.21, 0.02)],
    "brightness": [0.1, 0.2, 0.3, 0.4, 0.5],
    "contrast": [0.4, 0.3, 0.2, 0.1, 0.05],
    "pixelate": [0.6, 0.5, 0.4, 0.3, 0.25],
    "jpeg compression": [25, 18, 15, 10, 7],
    "gaussian noise": [0.08, 0.12, 0.18, 0.26, 0.38],
    "shot noise": [60, 25, 12, 5, 3],
    "impulse noise": [0.03, 0.06, 0.09, 0.17, 0.27],
    "glass blur": [(0.7, 1, 2), (0.9, 2, 1), (1, 2, 3)],
    "motion blur": [(10, 3), (15, 5)],
    "snow": [(0.1, 0.3, 3, 0.5, 10, 4, 0.8), (0.2, 0.3, 2, 0.5, 12, 4, 0.7)],
    "fog": [(1.5, 2), (2.0, 2), (2.5, 1.7)],
}
"""The strengths that are written into the package's functions, from severity 1 on."""
CERTAIN = list(STRENGTHS)[:6]
DRAWS = 400


def changed(name: str, severity: int, picture: Image.Image) -> np.ndarray:
    """Return the package's result as a file would hold it."""
    from imagecorruptions import corruptions  # so that the tests can read the strengths without it

    function = getattr(corruptions, name.replace(" ", "_"))
    return np.uint8(np.array(function(picture, severity)))


def main() -> None:
    """Write the file."""
    np.random.seed(0)  # noqa: NPY002 (the package draws from there)
    picture = Image.open(HERE.parent.parent / "docs" / "cat.jpg").convert("RGB").resize((32, 32))
    kept = {"picture": np.asarray(picture)}
    for name, strengths in STRENGTHS.items():
        for severity in (1, len(strengths)):
            if name in CERTAIN:
                kept[f"{name} {severity}"] = changed(name, severity, picture)
            else:
                drawn = np.stack([changed(name, severity, picture) for _ in range(DRAWS)]).astype(float)
                change = np.sqrt(((drawn - kept["picture"]) ** 2).mean())
                kept[f"{name} {severity}"] = np.array([drawn.mean(), drawn.std(), change])
    np.savez_compressed(HERE / "corruptions.npz", **kept)


if __name__ == "__main__":
    main()
