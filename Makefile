# `make study` and `make test` set everything up on a fresh machine.
PYTHON ?= python3
CORES ?= all
BIN := .venv/bin

.PHONY: study test quick slurm report clean expected

study: .venv/installed
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --cores $(CORES)

test: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n auto --dist worksteal --durations 25 tests

# While working: the unit tests alone, in under 90 s.
quick: .venv/installed
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not smoke and not slow" tests/radarlib tests/study tests/test_*.py

# On a Slurm cluster that answers here: the smoke profile through it, compared with one on this machine.
slurm: .venv/installed
	$(BIN)/python -m pytest -p no:xdist -s tests/workflow/test_slurm.py

report: study
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --report report.html

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[study,export,test]'
	touch $@

clean:
	rm -rf results figures/smoke figures/paper report.html .snakemake

# After a change that is meant to change results: the notebooks' stored outputs and the numbers that the tests compare with.
expected: .venv/installed
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --cores $(CORES) smoke
	mkdir -p tests/expected/smoke && cp figures/smoke/*.csv tests/expected/smoke/
	cd notebooks && OMP_NUM_THREADS=1 PATH="$(CURDIR)/$(BIN):$$PATH" ../$(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False $$(ls *.ipynb | grep -v explorer)
