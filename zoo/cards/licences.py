"""The licences that the Hub knows: https://huggingface.co/docs/hub/repositories-licenses."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from types import MappingProxyType

OTHER, UNKNOWN = "other", "unknown"
"""What the Hub calls a licence that is not on its list, and one that nobody stated."""
_SPDX = """
    AFL-3.0 AGPL-3.0 Apache-2.0 Artistic-2.0 BSD-2-Clause BSD-3-Clause BSD-3-Clause-Clear BSL-1.0
    CC-BY-2.0 CC-BY-2.5 CC-BY-3.0 CC-BY-4.0 CC-BY-NC-2.0 CC-BY-NC-3.0 CC-BY-NC-4.0 CC-BY-NC-ND-3.0 CC-BY-NC-ND-4.0
    CC-BY-NC-SA-2.0 CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0 CC-BY-ND-4.0 CC-BY-SA-3.0 CC-BY-SA-4.0 CC0-1.0 CDLA-Permissive-1.0
    CDLA-Permissive-2.0 CDLA-Sharing-1.0 ECL-2.0 EPL-1.0 EPL-2.0 etalab-2.0 EUPL-1.1 GPL-2.0 GPL-3.0 ISC LGPL-2.1
    LGPL-3.0 LPPL-1.3c MIT MPL-2.0 MS-PL NCSA OFL-1.1 OSL-3.0 PostgreSQL Unlicense WTFPL Zlib
"""
_FAMILIES = """
    bigcode-openrail-m bigscience-bloom-rail-1.0 bigscience-openrail-m bsd c-uda cc creativeml-openrail-m
    deepfloyd-if-license gemma gfdl gpl lgpl lgpl-lr llama2 odbl odc-by openrail openrail++ pddl
"""
LICENCES: Mapping[str, str] = MappingProxyType(
    {name.lower(): name for name in (*_SPDX.split(), *_FAMILIES.split(), OTHER, UNKNOWN)}
)
"""Identifier on the Hub → its usual spelling: SPDX's where SPDX has the licence."""
_VERSIONED = {"c-uda-1.0": "c-uda", "odbl-1.0": "odbl", "odc-by-1.0": "odc-by", "pddl-1.0": "pddl"}
"""SPDX identifier → the Hub's, where the Hub leaves out the version."""


def hub_licence(name: str | None) -> str:
    """Return the Hub's identifier of a licence; `other` for words that name none, `unknown` for None.

    Example:
        >>> hub_licence("Apache-2.0"), hub_licence("GPL-3.0-or-later"), hub_licence("ask us"), hub_licence(None)
        ('apache-2.0', 'gpl-3.0', 'other', 'unknown')
    """
    if name is None:
        return UNKNOWN
    identifier = re.sub(r"-(only|or-later)$", "", name.strip().lower())
    identifier = _VERSIONED.get(identifier, identifier)
    return identifier if identifier in LICENCES else OTHER


def check_licence(name: str) -> str:
    """Return a licence in its usual spelling; ValueError, with the nearest, if the Hub does not know it.

    Example:
        >>> check_licence("mit")
        'MIT'
    """
    identifier = hub_licence(name)
    if identifier == OTHER and name.strip().lower() != OTHER:
        close = difflib.get_close_matches(name.strip().lower(), LICENCES, n=3, cutoff=0.4)
        nearest = ", ".join(LICENCES[each] for each in close) or "MIT, Apache-2.0 and CC-BY-4.0"
        raise ValueError(
            f"licence={name!r}: give the SPDX identifier of a licence that the Hub knows, such as {nearest}; or {OTHER}"
        )
    return LICENCES[identifier]
