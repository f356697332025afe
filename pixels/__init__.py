"""From files to pixels: how pictures are found, read and cropped, with Pillow and numpy alone.

Below `zoo` and `export`, so that a net sees the same pixels in PyTorch and without it.
"""

from pixels.cropping import INTERPOLATIONS, crop
from pixels.decoding import eight_bit, open_picture
from pixels.finding import SUFFIXES, find_pictures

__all__ = ["INTERPOLATIONS", "SUFFIXES", "crop", "eight_bit", "find_pictures", "open_picture"]
