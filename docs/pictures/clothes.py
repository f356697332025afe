"""Draws the clothes in `site/samples/`, white on black like the pictures of Fashion-MNIST: shapes of our own, CC0.

.venv/bin/python docs/pictures/clothes.py
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

FOLDER = Path(__file__).resolve().parents[2] / "site" / "samples"
SIDE, FINE = 112, 8
"""Pixels of a picture's side, and how much finer it is drawn before it is shrunk."""
Outline = list[tuple[float, float]]

# In percent of the side; the right half mirrors the left where a shape is symmetrical.
CLOTHES: dict[str, list[tuple[int, Outline]]] = {
    "t-shirt": [
        (
            205,
            [
                (36, 8),
                (50, 14),
                (64, 8),
                (80, 14),
                (94, 36),
                (80, 46),
                (75, 38),
                (75, 94),
                (25, 94),
                (25, 38),
                (20, 46),
                (6, 36),
                (20, 14),
            ],
        ),
        (90, [(38, 8), (50, 17), (62, 8), (50, 13)]),
    ],
    "trouser": [
        (190, [(34, 4), (66, 4), (70, 50), (70, 97), (55, 97), (51, 34), (49, 34), (45, 97), (30, 97), (30, 50)]),
        (120, [(34, 4), (66, 4), (66, 9), (34, 9)]),
    ],
    "dress": [
        (210, [(40, 4), (44, 16), (56, 16), (60, 4), (64, 6), (62, 40), (72, 97), (28, 97), (38, 40), (36, 6)]),
        (140, [(38, 38), (62, 38), (62, 43), (38, 43)]),
    ],
    "pullover": [
        (
            185,
            [
                (38, 8),
                (50, 12),
                (62, 8),
                (76, 14),
                (94, 88),
                (80, 93),
                (73, 50),
                (73, 94),
                (27, 94),
                (27, 50),
                (20, 93),
                (6, 88),
                (24, 14),
            ],
        ),
        (110, [(38, 8), (50, 12), (62, 8), (58, 17), (42, 17)]),
    ],
    "bag": [
        (175, [(10, 38), (90, 38), (94, 90), (6, 90)]),
        (175, [(28, 38), (34, 14), (66, 14), (72, 38), (66, 38), (61, 21), (39, 21), (34, 38)]),
        (110, [(10, 38), (90, 38), (91, 52), (9, 52)]),
    ],
    "ankle-boot": [
        (
            200,
            [
                (46, 8),
                (80, 10),
                (84, 52),
                (92, 84),
                (92, 92),
                (78, 92),
                (77, 86),
                (62, 92),
                (6, 92),
                (6, 80),
                (24, 70),
                (42, 58),
            ],
        ),
        (120, [(6, 86), (62, 86), (77, 82), (92, 84), (92, 92), (78, 92), (77, 87), (62, 92), (6, 92)]),
    ],
}


def draw(parts: list[tuple[int, Outline]]) -> Image.Image:
    """Return a grey picture of these shapes, the later ones on top."""
    picture = Image.new("L", (SIDE * FINE, SIDE * FINE))
    pen = ImageDraw.Draw(picture)
    for grey, outline in parts:
        pen.polygon([(x * SIDE * FINE / 100, y * SIDE * FINE / 100) for x, y in outline], fill=grey)
    return picture.resize((SIDE, SIDE), Image.Resampling.BOX)


if __name__ == "__main__":
    for name, parts in CLOTHES.items():
        draw(parts).save(FOLDER / f"{name}.png", optimize=True)
