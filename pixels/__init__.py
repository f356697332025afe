"""From files to pixels: how pictures are found, read and cropped, with Pillow and numpy alone.

Below `zoo` and `export`, so that a net sees the same pixels in PyTorch and without it.
"""

from pixels.cropping import INTERPOLATIONS, crop
from pixels.decoding import eight_bit, open_picture
from pixels.finding import PassedOver, find_pictures, is_folder, is_hidden, picture_suffixes, pictures_below
from pixels.sources import STDIN, is_url, open_source

__all__ = [
    "INTERPOLATIONS",
    "STDIN",
    "PassedOver",
    "crop",
    "eight_bit",
    "find_pictures",
    "is_folder",
    "is_hidden",
    "is_url",
    "open_picture",
    "open_source",
    "picture_suffixes",
    "pictures_below",
]
