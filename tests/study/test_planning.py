from pathlib import Path

import pytest
from small_collection import TEST
from small_study import bench, run, small_study

from strop.artifacts.store import Store
from strop.evaluation.significance import minimum_detectable_difference
from strop.retrieval import encode
from strop.study.definition import Study
from strop.study.planning import plan

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return small_study(tmp_path_factory.mktemp("study"))


def test_a_plan_counts_the_texts_that_the_study_then_encodes(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(bench(study, Store(tmp_path)), ("all",))
    texts = {work.what: work.texts for work in planned.work}
    encoded = []
    real = encode.encode

    def counted(encoder, tokens, role, out, *rest, **settings):  # type: ignore[no-untyped-def]
        encoded.append(len(tokens))
        return real(encoder, tokens, role, out, *rest, **settings)

    monkeypatch.setattr(encode, "encode", counted)
    run(study, Store(tmp_path), "all")
    assert texts["encode for mining"] + texts["encode for the test, 5 models"] == sum(encoded)
    assert texts["train all"] == 2 * 3 * 19 * (3 + 2), "2 seeds, 3 epochs of 19 queries, with a negative or not"


def test_a_plan_says_how_long_and_what_it_can_see(study: Study, tmp_path: Path) -> None:
    planned = plan(bench(study, Store(tmp_path)), ("all",))
    assert planned.queries == TEST
    assert planned.detectable == minimum_detectable_difference(0.12, TEST)
    assert planned.seconds == sum(work.seconds for work in planned.work) > 0
    assert planned.trained_per_second > 0


def test_a_plan_without_tuned_systems_trains_nothing(study: Study, tmp_path: Path) -> None:
    planned = plan(bench(study, Store(tmp_path)), ("untuned",))
    assert [w.texts for w in planned.work if w.what == "train untuned"] == [0]
