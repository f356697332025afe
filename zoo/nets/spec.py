"""What a DiracNet is, as data: the table of families and the frozen Spec that everything is built from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.description import SPEC, check_fit
from zoo.preprocessing import CIFAR, IMAGENET, Preprocessing

if TYPE_CHECKING:  # names and structures are known without PyTorch
    from zoo.nets.kernel import Delta, Scale


@dataclass(frozen=True)
class Family:
    """The outer shape of a line of nets (arXiv 1706.00388, table 1)."""

    kernel_size: int
    """Kernel size of the stem convolution, padded to keep (stride 1) or halve (stride 2) the size."""
    stride: int
    stem_relu: bool
    """Whether a ReLU follows the stem's BatchNorm."""
    stem_pool: bool
    """Whether a 3×3 max-pool of stride 2 follows the stem."""
    widths: tuple[int, ...]
    """Channels of each group at width 1; a 2×2 max-pool separates groups."""
    blocks: Mapping[int, tuple[int, ...]]
    """Blocks in each group, by depth."""
    depths: str
    """The rule behind the depths, for error messages."""
    num_classes: int
    preprocessing: Preprocessing
    """How pictures become the input of its nets, unless something else is known."""


FAMILIES: Mapping[str, Family] = {
    "imagenet": Family(
        kernel_size=7,
        stride=2,
        stem_relu=False,
        stem_pool=True,
        widths=(64, 128, 256, 512),
        blocks={18: (4, 4, 4, 4), 34: (6, 8, 12, 6)},
        depths="18 or 34",
        num_classes=1000,
        preprocessing=IMAGENET,
    ),
    "cifar": Family(
        kernel_size=3,
        stride=1,
        stem_relu=True,
        stem_pool=False,
        widths=(16, 32, 64),
        blocks={6 * n + 4: (2 * n,) * 3 for n in range(1, 171)},
        depths="6n + 4 (10, 16, 22, 28, 34, …)",
        num_classes=10,
        preprocessing=CIFAR,
    ),
}


class Version(NamedTuple):
    """What changed between the article's nets of 2017 (1) and those of January 2018 (2)."""

    scale: Scale
    delta: Delta
    ncrelu: bool
    """Whether NCReLU, which doubles the channels, precedes each block's convolution; else ReLU."""


VERSIONS: Mapping[int, Version] = {
    1: Version(scale="scalar", delta="tiled", ncrelu=True),
    2: Version(scale="channel", delta="dirac", ncrelu=False),
}


class Group(NamedTuple):
    """A run of blocks of equal width; the first one takes `in_channels`."""

    in_channels: int
    channels: int
    blocks: int

    @property
    def inputs(self) -> tuple[int, ...]:
        """Channels that each of its blocks takes."""
        return (self.in_channels, *[self.channels] * (self.blocks - 1))


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The structure of one DiracNet.

    Args:
        depth: 18 or 34 (imagenet), 6n + 4 (cifar).
        width: factor on the family's channels.
        family: "imagenet" (stride-2 stem, four groups) or "cifar" (three groups, for small pictures).
        version: 2 (ReLU, alpha and beta per channel) or 1 (NCReLU, one alpha and beta per layer).
        in_channels: channels of the pictures.
        num_classes: outputs; the family's own number unless given.
        final_relu: whether a ReLU precedes the average pool. True in all published nets; upstream's training
            code for version 1 had none.

    Raises:
        ValueError: a value is outside what its field allows.
    """

    depth: int
    width: float = 1.0
    family: str = "imagenet"
    version: int = 2
    in_channels: int = 3
    num_classes: int = None  # type: ignore[assignment]  # becomes the family's own in __post_init__
    final_relu: bool = True

    def __post_init__(self) -> None:
        SPEC.check({k: value for k, value in asdict(self).items() if (k, value) != ("num_classes", None)})
        if self.family not in FAMILIES:
            raise ValueError(f"family={self.family!r}: allowed are {', '.join(FAMILIES)}")
        if self.version not in VERSIONS:
            raise ValueError(f"version={self.version!r}: allowed are 1 and 2")
        table = FAMILIES[self.family]
        if self.depth not in table.blocks:
            raise ValueError(f"depth={self.depth!r}: a net of the {self.family} family has a depth of {table.depths}")
        if self.num_classes is None:
            object.__setattr__(self, "num_classes", table.num_classes)
        if not 1 <= table.widths[0] * self.width < 2**20:
            raise ValueError(
                f"width={self.width!r}: must be a number that leaves the first group, of {table.widths[0]} channels at "
                "width 1, with at least one channel and at most a million"
            )
        object.__setattr__(self, "width", float(self.width))

    @property
    def name(self) -> str:
        """The registry's name for this structure, such as `diracnet18_v1_x0_75` or `diracnet28_cifar`."""
        version = "" if self.version == 2 else f"_v{self.version}"
        width = "" if self.width == 1 else f"_x{self.width!r}".removesuffix(".0").replace(".", "_")
        return f"diracnet{self.depth}{version}{width}{'' if self.family == 'imagenet' else '_' + self.family}"

    @property
    def stem(self) -> Family:
        """The family's row of the table, which describes the stem."""
        return FAMILIES[self.family]

    @property
    def block(self) -> Version:
        """The version's row of the table, which describes the blocks."""
        return VERSIONS[self.version]

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups in order, with channels at this width."""
        channels = [int(width * self.width) for width in self.stem.widths]
        blocks = self.stem.blocks[self.depth]
        return tuple(map(Group, [channels[0], *channels], channels, blocks))

    @property
    def layers(self) -> int:
        """Number of layers with weights between a picture and the logits: the stem, each block, the classifier."""
        return 2 + sum(group.blocks for group in self.groups)

    @property
    def min_size(self) -> int:
        """The smallest height and width, in pixels, of which pooling leaves at least one pixel."""
        size: int = 2 ** (len(self.groups) - 1)
        if self.stem.stem_pool:  # 3×3, stride 2, padding 1: n → ceil(n / 2)
            size = 2 * size - 1
        return size if self.stem.stride == 1 else 2 * size - 1

    def check_fit(self, labels: Sequence[str], preprocessing: Preprocessing | None) -> None:
        """Raise ValueError unless labels and preprocessing fit the net; see `zoo.description.check_fit`."""
        check_fit(labels, preprocessing, channels=self.in_channels, classes=self.num_classes, least=self.min_size)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields in a form that JSON can hold; `Spec(**d)` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Spec:
        """Return the Spec with these fields; ValueError if a key is not a field, or depth is missing."""
        SPEC.check(values)
        return cls(**values)
