# Without make (Windows): the README names the one or two commands behind each target.
# PYTHON       the interpreter to make .venv with (3.11, 3.12 or 3.13)
# TORCH_INDEX  the package index to take PyTorch from, e.g. https://download.pytorch.org/whl/cpu
# ARGS         further arguments for pytest or strop, e.g. make test ARGS="-k ratchet"
PYTHON ?=
TORCH_INDEX ?=
ARGS ?=
export PYTHON TORCH_INDEX

BIN := $(if $(filter Windows_NT,$(OS)),.venv/Scripts,.venv/bin)
ANY := $(shell for p in python3 python3.13 python3.12 python3.11 python $(PYTHON); do command -v $$p && break; done)
INSTALL := $(if $(ANY),"$(ANY)" tools/install.py,$(error No Python found: install Python 3.11, 3.12 or 3.13))

.DEFAULT_GOAL := help
.PHONY: help quickstart test campaign lint bench clean

help:  ## this list
	@grep -E '^[a-z]+:.*## ' Makefile | awk -F ':.*## ' '{ printf "  make %-12s%s\n", $$1, $$2 }'

quickstart:  ## install, then tune and certify a model on the embedded collection (no network after the install)
	@$(INSTALL) minilm
	@$(BIN)/strop tune docstrings:torch --guard docstrings:networkx --budget 10m --beside triplet-full $(ARGS) || [ $$? -eq 3 ]

test:  ## install what the tests need and run them
	@$(INSTALL) minilm bench dev
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

campaign:  ## attack every command for 15 minutes: broken inputs, kills, two at once, hostile text
	@$(INSTALL) minilm bench dev
	@$(BIN)/python -m tests.campaign $(ARGS)

lint:  ## ruff, mypy and the rules of the house
	@$(INSTALL) minilm bench dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest tests/test_architecture.py

bench:  ## measure speed against named peers on the same work, in turns (says first how long it takes)
	@$(INSTALL) minilm bench
	@$(BIN)/strop bench all $(ARGS)

clean:  ## remove .venv, caches and build outputs; your artifacts (.strop) and reports stay
	rm -rf .venv build dist src/*.egg-info .pytest_cache .ruff_cache .mypy_cache
	find . -path ./.git -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +
	@if [ -d .strop ]; then echo "kept: .strop ($$(du -sh .strop | cut -f1)), what your runs computed; rm -r .strop frees it"; fi
