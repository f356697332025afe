"""Rules for values that are read from files: what each key may hold. Nothing read is used before it passed its rule.

A rule is a `Value`, or `Fields` for an object with a rule for each key. Which descriptions there are, says
`zoo.description`. Imports neither PyTorch nor numpy: inference from ONNX files uses it too.
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

MOST_BYTES = 16 << 20
"""The longest description that is parsed; that of a net with 20,000 classes takes two million bytes."""

_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = _SHOWN.maxlong = 60


class DescriptionError(ValueError):
    """What a file says about a net is missing, of the wrong kind or out of range."""


@dataclass(frozen=True)
class Value:
    """A rule for one value.

    Args:
        allowed: what is allowed, to follow "must be".
        holds: tells whether a value is allowed; called with anything that JSON can hold.
        required: whether the key must be there.
        null: whether null is allowed, too.
    """

    allowed: str
    holds: Callable[[Any], bool]
    required: bool = True
    null: bool = False

    def check(self, value: Any, key: str) -> None:
        """Raise DescriptionError, which names the key, the value and what is allowed, unless the rule is kept."""
        if not self.holds(value):
            raise DescriptionError(f"{key}={_SHOWN.repr(value)}: must be {self.allowed}")


@dataclass(frozen=True)
class Fields:
    """A rule for an object: one for each key.

    Args:
        rules: key → rule.
        others: whether further keys are allowed.
        required, null: as in `Value`.
    """

    rules: Mapping[str, Rule]
    others: bool = False
    required: bool = True
    null: bool = False
    allowed: str = "an object"

    def check(self, value: Any, key: str = "") -> None:
        """Raise DescriptionError unless the value is an object whose values keep their rules."""
        if not isinstance(value, Mapping) or not all(isinstance(each, str) for each in value):
            raise DescriptionError(f"{key or 'it'}={_SHOWN.repr(value)}: must be {self.allowed}")
        before = f"{key}." if key else ""
        lacking = [f"{before}{name}" for name, rule in self.rules.items() if rule.required and name not in value]
        if lacking:
            raise DescriptionError(
                f"{', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} missing"
                + (f": must be {self.rules[lacking[0].removeprefix(before)].allowed}" if len(lacking) == 1 else "")
            )
        if not self.others and (unknown := sorted(value.keys() - self.rules.keys())):
            raise DescriptionError(f"{before}{unknown[0]} is no key; allowed are {', '.join(self.rules)}")
        for name, rule in self.rules.items():
            if name in value and not (rule.null and value[name] is None):
                rule.check(value[name], f"{before}{name}")


@dataclass(frozen=True)
class Each:
    """A rule for a list, or for an object with any keys: one for all its values.

    Args:
        rule: the rule for each of them.
        kind: list, or dict for an object.
        required, null: as in `Value`.
    """

    rule: Rule
    kind: type[list[Any]] | type[dict[Any, Any]]
    required: bool = True
    null: bool = False

    @property
    def allowed(self) -> str:
        return f"{'a list' if self.kind is list else 'an object'} whose values are each {self.rule.allowed}"

    def check(self, value: Any, key: str) -> None:
        """Raise DescriptionError unless the value is of the kind, and its values keep the rule."""
        if not isinstance(value, self.kind):
            raise DescriptionError(f"{key}={_SHOWN.repr(value)}: must be {self.allowed}")
        for name, each in value.items() if isinstance(value, dict) else enumerate(value):
            self.rule.check(each, f"{key}[{_SHOWN.repr(name)}]")


Rule: TypeAlias = "Value | Fields | Each"


def optional(rules: Mapping[str, Rule], *, null: bool = False) -> dict[str, Rule]:
    """Return the rules for the same keys, all of which may be left out, or be null."""
    return {key: replace(rule, required=False, null=null) for key, rule in rules.items()}


def whole(low: int, high: int) -> Value:
    """Return the rule for a whole number from `low` to `high`; True and 1.0 are none."""
    return Value(f"a whole number from {low:,} to {high:,}", lambda value: type(value) is int and low <= value <= high)


def number(low: float, high: float) -> Value:
    """Return the rule for a number from `low` to `high`."""
    return Value(f"a number from {low:g} to {high:g}", lambda value: is_number(value, low, high))


def is_number(value: Any, low: float, high: float) -> bool:
    """Tell whether a value is a number from `low` to `high`; True and NaN are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


def numbers(counts: Sequence[int], low: float, high: float) -> Value:
    """Return the rule for a list of numbers from `low` to `high`."""
    return Value(
        f"{' or '.join(map(str, counts))} numbers from {low:g} to {high:g}",
        lambda value: (
            isinstance(value, (list, tuple))
            and len(value) in counts
            and all(is_number(each, low, high) for each in value)
        ),
    )


def one_of(*values: str) -> Value:
    """Return the rule for one of a few texts."""
    return Value(f"one of {', '.join(values)}", lambda value: isinstance(value, str) and value in values)


def flag() -> Value:
    """Return the rule for true or false."""
    return Value("true or false", lambda value: isinstance(value, bool))


def text(most: int = 1000) -> Value:
    """Return the rule for a text of 1 to `most` characters."""
    return Value(f"a text of 1 to {most:,} characters", lambda value: is_text(value, most))


def is_text(value: Any, most: int) -> bool:
    """Tell whether a value is a text of 1 to `most` characters that can be written to a file."""
    return isinstance(value, str) and 0 < len(value) <= most and not any("\ud800" <= each <= "\udfff" for each in value)


def line(most: int = 200) -> Value:
    """Return the rule for one line of 1 to `most` printable characters."""
    return Value(
        f"one line of 1 to {most:,} printable characters",
        lambda value: is_text(value, most) and value.isprintable(),
    )


def matching(pattern: str, words: str) -> Value:
    """Return the rule for a text that a regular expression matches as a whole; `words` say what that is."""
    expression = re.compile(pattern, re.ASCII)
    return Value(words, lambda value: isinstance(value, str) and expression.fullmatch(value) is not None)


def texts(most: int = 1000) -> Value:
    """Return the rule for a list of texts."""
    return Value(
        f"a list of texts of 1 to {most:,} characters",
        lambda value: isinstance(value, (list, tuple)) and all(is_text(each, most) for each in value),
    )


def parse_object(content: str | bytes) -> dict[str, Any]:
    """Return the JSON object in a text.

    Raises:
        DescriptionError: the text is too long, is no JSON, or holds no object or one key twice.
    """
    if len(content) > MOST_BYTES:
        raise DescriptionError(f"it has {len(content):,} characters: allowed are {MOST_BYTES:,}")
    try:
        value = json.loads(content, object_pairs_hook=_without_repetition)
    except RecursionError:
        raise DescriptionError("its lists and objects are nested too deeply") from None
    except ValueError as error:
        raise DescriptionError(str(error)) from error
    if not isinstance(value, dict):
        raise DescriptionError(f"it is {_SHOWN.repr(value)}: must be a JSON object")
    return value


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        raise DescriptionError(f"it has the key {next(key for key in keys if keys.count(key) > 1)!r} twice")
    return value


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Let errors about values name the file that they were read from.

    Args:
        what: the file, or what was read in it.

    Raises:
        DescriptionError: the block raised a ValueError.

    Example:
        >>> with reading("config.json"):
        ...     Fields({"size": whole(1, 4096)}).check({"size": 200_000})
        Traceback (most recent call last):
        ...
        zoo.schema.DescriptionError: config.json is damaged: size=200000: must be a whole number from 1 to 4,096
    """
    try:
        yield
    except ValueError as error:
        raise DescriptionError(f"{what} is damaged: {error}") from error
