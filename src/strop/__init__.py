"""strop: fine-tune neural retrievers, settle whether it helped, and see why.

Every command is a call of the same name (`strop data inspect` is `strop.data_inspect`), beside the values they take and
give. All names are loaded when they are first used, so that `import strop` is instant.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strop.collection.door import load as load
    from strop.commands.data import data_export as data_export
    from strop.commands.data import data_inspect as data_inspect
    from strop.commands.doctor import doctor as doctor
    from strop.commands.evaluate import evaluate as evaluate
    from strop.commands.evaluate import evaluate_reordered as evaluate_reordered
    from strop.commands.explain import explain as explain
    from strop.commands.export import export as export
    from strop.commands.fuse import fuse as fuse
    from strop.commands.mine import mine as mine
    from strop.commands.rerank import rerank as rerank
    from strop.commands.search import search as search
    from strop.commands.search import search_two_stages as search_two_stages
    from strop.commands.study import study_checkpoints as study_checkpoints
    from strop.commands.study import study_live as study_live
    from strop.commands.study import study_part as study_part
    from strop.commands.study import study_plan as study_plan
    from strop.commands.study import study_report as study_report
    from strop.commands.study import study_run as study_run
    from strop.commands.study import study_show as study_show
    from strop.commands.teach import teach as teach
    from strop.commands.train import train as train
    from strop.commands.tune import tune as tune
    from strop.evaluation.comparison import compare as compare
    from strop.evaluation.measures import measure as measure
    from strop.losses.contrastive import InfoNCE as InfoNCE
    from strop.losses.triplet import Triplet as Triplet
    from strop.models.adapters import Full as Full
    from strop.models.adapters import LoRA as LoRA
    from strop.models.dense import Dense as Dense
    from strop.monitoring.trainer_callback import Monitored as Monitored
    from strop.negatives.from_run import RankWindow as RankWindow
    from strop.records.documents import Collection as Collection
    from strop.records.errors import InputError as InputError
    from strop.records.judgments import read_qrels as read_qrels
    from strop.records.results import read_results as read_results
    from strop.records.runs import Run as Run
    from strop.records.runs import read_run as read_run
    from strop.records.runs import write_run as write_run
    from strop.retrieval.lexical import BM25 as BM25
    from strop.study.claims import Claim as Claim
    from strop.training.recipes import Recipe as Recipe

_FACE = {
    "BM25": "strop.retrieval.lexical",
    "Claim": "strop.study.claims",
    "Collection": "strop.records.documents",
    "Dense": "strop.models.dense",
    "Full": "strop.models.adapters",
    "InfoNCE": "strop.losses.contrastive",
    "InputError": "strop.records.errors",
    "LoRA": "strop.models.adapters",
    "RankWindow": "strop.negatives.from_run",
    "Monitored": "strop.monitoring.trainer_callback",
    "Recipe": "strop.training.recipes",
    "Run": "strop.records.runs",
    "Triplet": "strop.losses.triplet",
    "compare": "strop.evaluation.comparison",
    "data_export": "strop.commands.data",
    "data_inspect": "strop.commands.data",
    "doctor": "strop.commands.doctor",
    "evaluate": "strop.commands.evaluate",
    "evaluate_reordered": "strop.commands.evaluate",
    "explain": "strop.commands.explain",
    "export": "strop.commands.export",
    "fuse": "strop.commands.fuse",
    "load": "strop.collection.door",
    "measure": "strop.evaluation.measures",
    "mine": "strop.commands.mine",
    "read_qrels": "strop.records.judgments",
    "read_results": "strop.records.results",
    "read_run": "strop.records.runs",
    "write_run": "strop.records.runs",
    "rerank": "strop.commands.rerank",
    "search": "strop.commands.search",
    "search_two_stages": "strop.commands.search",
    "study_checkpoints": "strop.commands.study",
    "study_live": "strop.commands.study",
    "study_part": "strop.commands.study",
    "study_plan": "strop.commands.study",
    "study_report": "strop.commands.study",
    "study_run": "strop.commands.study",
    "study_show": "strop.commands.study",
    "teach": "strop.commands.teach",
    "train": "strop.commands.train",
    "tune": "strop.commands.tune",
}
__all__ = list(_FACE)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("strop")
    if name not in _FACE:
        raise AttributeError(f"module 'strop' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_FACE[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_FACE, "__version__"])
