"""Errors cross from one process to another."""

import pickle

from strop.records.errors import InputError


def test_an_input_error_raised_in_another_process_arrives_whole() -> None:
    error = InputError("score 'x' is not a number", where="run.trec:3", remedy="Write a number there")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is InputError
    assert str(copy) == str(error) == "run.trec:3: score 'x' is not a number. Write a number there"
    assert (copy.problem, copy.remedy, copy.where) == (error.problem, error.remedy, error.where)
