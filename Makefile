# Two commands for a fresh machine (Python 3.11 to 3.14 with venv, git, make): `make demo` and `make test`.
# PYTHON=... names an interpreter; otherwise tools/make_venv takes the newest that fits, or says what is missing.
VENV := .venv
BIN := $(VENV)/bin
CORES ?= 2
STAMP := $(VENV)/.installed

.PHONY: setup demo test lint weights weights-paper docs site release lock clean

setup: $(STAMP)

# Every version from the lock; torch comes as the CPU or CUDA build that the index offers (docs/cluster.md).
$(STAMP): pyproject.toml requirements.lock
	tools/make_venv $(VENV) $(PYTHON)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[dev]'
	touch $@

demo: setup
	$(BIN)/qsmbench run config.yaml --cores $(CORES)
	@echo "The report is at $(CURDIR)/results/report/index.html"

test: setup
	$(BIN)/pytest -n 2 -m "not slurm"
	$(BIN)/pytest tests/slurm

# Trains the networks that come with the package, hours on a CPU, and writes them with their cards.
weights: setup
	$(BIN)/snakemake networks --cores $(CORES) --configfile configs/weights.yaml
	$(BIN)/python tools/ship_weights.py results-weights

# The paper's size on one GPU, hours; goes on where it was stopped. PYTHON_LIVE needs torch, numpy, scipy and PyYAML
# alone; where the heads are not there yet they are made with the whole package.
DEVICE ?= cuda
HEADS ?= results-live/heads
LIVE ?= results-live
PYTHON_LIVE ?= $(BIN)/python
MAP ?=
LIVE_CONFIGS ?= $(addprefix configs/live/paper/,meta-qsm.yaml mesa-research.yaml mesa-clinical.yaml deepqsm.yaml qsmnet.yaml)

weights-paper:
	test -d $(HEADS) || $(BIN)/python tools/make_heads.py $(HEADS) $(MAP)
	PYTHONPATH=src $(PYTHON_LIVE) -m qsmbench.training.live $(LIVE_CONFIGS) --heads $(HEADS) --folder $(LIVE) \
		--device $(DEVICE)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

docs: setup
	$(BIN)/qsmbench config docs docs/configuration.md
	$(BIN)/qsmbench config schema docs/config.schema.json
	$(BIN)/python tools/write_plan.py

# The manual, with search, into build/site/html; every warning is an error.
site: setup
	$(BIN)/python tools/site/build.py

# Checks what a release needs and tags it (CONTRIBUTING.md); CHECK=--check makes no tag.
release: setup
	$(BIN)/python tools/release.py $(CHECK)

# After a change of pyproject.toml: install without the lock, then write down what was resolved and seen to work, and
# the hashes of its files (needs uv).
lock:
	$(BIN)/python -m pip freeze --exclude-editable --exclude uv > requirements.lock
	$(BIN)/python tools/write_hashes.py

clean:
	rm -rf results .snakemake
