"""Session options under which int8 is exact on every processor."""

from pathlib import Path

import onnxruntime
import pytest

from export import Classifier
from export.layout import GRAPH
from export.proof import graph as graph_checks
from export.runtime import sessions
from export.runtime.sessions import EXACT, has_vnni, open_session, session_options


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor : 0\nflags : fpu sse avx2 avx512f avx512_vnni\n", True),
        ("flags\t\t: avx2 avx_vnni", True),
        ("flags : avx2 avx512f avx512_vnni2", False),
        ("Features : asimd asimddp", False),
        ("", False),
    ],
)
def test_linux_names_vnni_among_the_flags(tmp_path: Path, text: str, expected: bool) -> None:
    (tmp_path / "cpuinfo").write_text(text, encoding="utf-8")
    assert has_vnni(tmp_path / "cpuinfo") is expected


def test_vnni_is_assumed_absent_if_the_system_does_not_report_it(tmp_path: Path) -> None:
    assert not has_vnni(tmp_path / "missing")


def test_only_a_processor_without_vnni_gets_the_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "has_vnni", lambda: False)
    options = session_options(threads=3)
    assert options.intra_op_num_threads == 3
    assert options.get_session_config_entry(EXACT[0]) == EXACT[1]
    monkeypatch.setattr(sessions, "has_vnni", lambda: True)
    with pytest.raises(Exception, match=EXACT[0]):
        session_options().get_session_config_entry(EXACT[0])


def test_every_session_of_ours_has_the_entry(monkeypatch: pytest.MonkeyPatch, untrained: Path) -> None:
    monkeypatch.setattr(sessions, "has_vnni", lambda: False)
    path = untrained / GRAPH
    opened = (
        Classifier(untrained)._session,
        graph_checks._session(path, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL),
    )
    for session in opened:
        assert session.get_session_options().get_session_config_entry(EXACT[0]) == EXACT[1]


def test_a_session_has_the_options_it_was_opened_with(untrained: Path) -> None:
    model = (untrained / GRAPH).read_bytes()
    session = open_session(model, threads=1, spinning=False, log_severity_level=3)
    options = session.get_session_options()
    assert (options.intra_op_num_threads, options.log_severity_level) == (1, 3)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert session.get_providers() == [sessions.CPU]
    with pytest.raises(AttributeError, match="log_level"):
        open_session(model, log_level=3)
