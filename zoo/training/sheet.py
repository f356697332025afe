"""A sheet of the pictures that a net is most wrong about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from zoo.files import replace_file
from zoo.preprocessing import KINDS
from zoo.training.data import Pictures
from zoo.training.evaluate import Answers

_SIDE, _GAP, _LINE, _FONT = 160, 12, 17, 13
"""Side of a picture on the sheet, space between pictures, height of a line of text and of its letters, in pixels."""
_COLUMNS = 5


@dataclass(frozen=True)
class Mistake:
    """A picture that was classified wrongly.

    Args:
        index: its place among the pictures.
        name: its file, or its number where it has none.
        true: label of its class.
        predicted: label of the class that the net gave it.
        probability: of the predicted class, between 0 and 1.
        true_probability: of its true class.
    """

    index: int
    name: str
    true: str
    predicted: str
    probability: float
    true_probability: float


def worst_mistakes(answers: Answers, pictures: Pictures, count: int, temperature: float = 1.0) -> list[Mistake]:
    """Return the pictures that were classified wrongly, the least probable true class first; at most `count`."""
    probabilities = (answers.logits.double() / temperature).softmax(dim=1)
    true = probabilities.gather(1, answers.targets[:, None]).squeeze(1)
    wrong = (~answers.right).nonzero().flatten()
    worst = wrong[true[wrong].argsort(stable=True)][:count]
    return [
        Mistake(
            index,
            str(pictures.paths[index]) if pictures.paths else f"picture {index}",
            pictures.classes[int(answers.targets[index])],
            pictures.classes[int(answers.predicted[index])],
            probabilities[index].max().item(),
            true[index].item(),
        )
        for index in worst.tolist()
    ]


def draw_sheet(mistakes: Sequence[Mistake], pictures: Pictures, path: Path) -> None:
    """Draw mistakes to a PNG file: each picture as the net sees it, with its file, the true and the predicted class.

    Raises:
        ValueError: there are no mistakes to draw.
    """
    if not mistakes:
        raise ValueError(f"there is nothing to draw in {path}: all pictures were classified right")
    columns = min(_COLUMNS, len(mistakes))
    width, height = _SIDE + _GAP, _SIDE + 3 * _LINE + _GAP
    rows = -(-len(mistakes) // columns)
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT)
    for place, mistake in enumerate(mistakes):
        left, top = _GAP + place % columns * width, _GAP + place // columns * height
        sheet.paste(_picture(pictures.images[mistake.index]), (left, top))
        texts = (
            (Path(mistake.name).name, "grey"),
            (f"is {mistake.true} ({mistake.true_probability:.1%})", "black"),
            (f"not {mistake.predicted} ({mistake.probability:.1%})", "firebrick"),
        )
        for line, (text, colour) in enumerate(texts):
            fitting = _fitting(text, font)
            draw.text((left, top + _SIDE + 2 + line * _LINE), fitting, fill=colour, font=font)
    with replace_file(path) as temporary:
        sheet.save(temporary, format="PNG")


def _picture(pixels: Tensor) -> Image.Image:
    """Return a picture, uint8 (size, size, channels), at the size that it has on the sheet."""
    mode = {"grey": "L"}.get(kind := KINDS[pixels.shape[2]], kind)
    array = pixels.squeeze(-1) if mode == "L" else pixels
    shown = Image.fromarray(array.contiguous().numpy())
    if mode == "RGBA":
        shown = Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown)
    # Small pictures keep their pixels: smoothing would show what the net does not see.
    method = Image.Resampling.NEAREST if shown.width < _SIDE else Image.Resampling.BICUBIC
    return shown.convert("RGB").resize((_SIDE, _SIDE), method)


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Return a text cut in its middle, where it is too long; its end has the number of a file, or the probability."""
    text = "".join(each if each.isprintable() else "\ufffd" for each in text)
    if font.getlength(text) <= _SIDE:
        return text
    keep = len(text)
    while keep > 2:
        keep -= 1
        cut = f"{text[: (keep + 1) // 2]}…{text[len(text) - keep // 2 :]}"
        if font.getlength(cut) <= _SIDE:
            return cut
    return text[:1]
