from pathlib import Path

import pytest
from small_collection import TEST
from test_conduct import small_study

from strop import encode
from strop.artifacts import Store
from strop.conduct import conduct
from strop.planning import plan
from strop.significance import minimum_detectable_effect
from strop.study import Study

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return small_study(tmp_path_factory.mktemp("study"))


def test_a_plan_counts_the_texts_that_the_study_then_encodes(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scale, preset = study.scale("tiny"), study.preset("all")
    planned = plan(study, scale, preset, Store(tmp_path))
    texts = {work.what: work.texts for work in planned.work}
    encoded = []
    real = encode.encode

    def counted(encoder, tokens, out, progress=None):  # type: ignore[no-untyped-def]
        encoded.append(len(tokens))
        return real(encoder, tokens, out, progress)

    monkeypatch.setattr(encode, "encode", counted)
    conduct(study, scale, preset, Store(tmp_path), "")
    assert texts["encode for mining"] + texts["encode the test panel, 5 models"] == sum(encoded)
    assert texts["train full"] == 2 * 9 * 6 * 3, "2 seeds, 9 updates of 6 queries, 2 documents each"
    assert texts["train lora"] == 2 * 9 * 6 * 2, "the batch brings the negatives"


def test_a_plan_says_how_long_and_what_it_can_see(study: Study, tmp_path: Path) -> None:
    planned = plan(study, study.scale("tiny"), study.preset("all"), Store(tmp_path))
    assert planned.queries == TEST
    assert planned.detectable == minimum_detectable_effect(0.12, TEST)
    assert planned.seconds == sum(work.seconds for work in planned.work) > 0
    training = next(work for work in planned.work if work.what == "train full")
    assert training.seconds == pytest.approx(3 * training.tokens / planned.tokens_per_second, rel=0.01)


def test_a_plan_without_tuned_systems_mines_nothing(study: Study, tmp_path: Path) -> None:
    planned = plan(study, study.scale("tiny"), study.preset("untuned"), Store(tmp_path))
    assert [work.what for work in planned.work] == ["encode the test panel, 1 models"]
