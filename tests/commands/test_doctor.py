import importlib.metadata
import sys
import time
from pathlib import Path

import pytest

from strop.commands import doctor
from strop.commands.doctor import Finding, healthy
from strop.records.errors import InputError


def named(findings: list[Finding], name: str) -> Finding:
    return next(finding for finding in findings if finding.name == name)


def test_a_working_installation_is_healthy(tmp_path: Path) -> None:
    findings = doctor.doctor(tmp_path / "artifacts")
    assert healthy(findings), findings
    assert named(findings, "base model").what.startswith("sentence-transformers/all-MiniLM-L6-v2 from the wheel")
    assert "transformers 5" in named(findings, "libraries").what
    assert named(findings, "device cpu").state == "ok"
    assert "not made yet" in named(findings, "artifacts").what
    assert not (tmp_path / "artifacts").exists()


def test_what_is_not_ok_says_how_to_get_it() -> None:
    assert all(finding.remedy for finding in doctor.doctor() if finding.state != "ok")


def test_a_missing_library_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.metadata.version

    def without_peft(name: str) -> str:
        if name == "peft":
            raise importlib.metadata.PackageNotFoundError(name)
        return {"bm25s": "0.0.1"}.get(name) or real(name)

    monkeypatch.setattr("importlib.metadata.version", without_peft)
    findings = doctor.doctor()
    assert named(findings, "peft").state == "missing"
    assert named(findings, "peft").remedy.startswith("pip install 'peft>=")
    assert named(findings, "bm25s").state == "warn"
    assert not healthy(findings)


def test_a_torch_that_does_not_load_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert named(doctor.doctor(), "torch").state == "missing"


@pytest.mark.parametrize(("reachable", "state"), [(True, "warn"), (False, "missing")])
def test_an_absent_base_is_missing_only_where_no_hub_answers(
    monkeypatch: pytest.MonkeyPatch, reachable: bool, state: str
) -> None:
    def nowhere(name: str, fetch: bool) -> None:
        raise InputError("not in the hub's cache", remedy="pip install 'strop[minilm]'")

    monkeypatch.setattr("strop.models.pretrained.resolve", nowhere)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(doctor, "_answers", lambda address: reachable)
    assert named(doctor.doctor(), "base model").state == state


def test_offline_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_answers", lambda address: pytest.fail("asked"))
    assert "HF_HUB_OFFLINE is set" in named(doctor.doctor(), "model hub").what


def test_a_hub_that_never_answers_is_waited_for_two_seconds_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PATIENCE_SECONDS", 0.1)

    def slow(*_: object, **__: object) -> None:
        time.sleep(0.6)
        raise TimeoutError

    monkeypatch.setattr("urllib.request.urlopen", slow)
    started = time.perf_counter()
    assert not doctor._answers("https://hub.invalid")
    assert time.perf_counter() - started < 0.5


def test_the_size_of_artifacts_counts_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/weights").write_bytes(bytes(1000))
    (tmp_path / "b").symlink_to(tmp_path / "a/weights")
    assert doctor._gigabytes(tmp_path) == pytest.approx(1e-6)
