# Everything a newcomer needs: `make demo` and `make test`. On Windows, see README.md for the same steps.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test lint wheel bench bench-baseline fuzz kill-cycles clean

demo: $(VENV)/.ready-train ## set everything up and watch the whole pipeline work (about two minutes)
	$(BIN)/toolkit demo --output_dir demo

test: $(VENV)/.ready-dev ## set everything up and run all tests
	$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(VENV)/.ready-dev ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# One thread, and CPU time: what else runs on the machine then changes little.
BENCHMARKS := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest tests/benchmarks --benchmark-enable \
	--benchmark-timer=time.process_time --benchmark-max-time=0.5

bench: $(VENV)/.ready-dev ## micro-benchmarks of hot paths, compared with the saved baseline
	$(BENCHMARKS) --baseline compare

bench-baseline: $(VENV)/.ready-dev ## measure that baseline anew, on your own processor
	$(BENCHMARKS) --baseline save

INPUTS ?= 1000000
SEED ?= 0
fuzz: $(VENV)/.ready-dev ## changed indexes, stores, models and configs by the million (INPUTS=, SEED=)
	$(BIN)/python tests/fuzz/run.py --inputs $(INPUTS) --seed $(SEED)

CYCLES ?= 200
kill-cycles: $(VENV)/.ready-dev ## kill an extraction of real clips again and again; nothing may be lost (CYCLES=)
	$(BIN)/python tests/benchmarks/kill_cycles.py --cycles $(CYCLES)

wheel: $(VENV)/.ready-dev ## build wheel and source archive, and try the wheel, without torch, in an environment of its own
	$(BIN)/pip install --quiet build twine
	rm -rf dist && $(BIN)/python -m build --outdir dist .
	$(BIN)/python -m twine check --strict dist/* && ls -l dist
	rm -rf $(VENV)-wheel && $(PYTHON) -m venv $(VENV)-wheel
	$(VENV)-wheel/bin/pip install --quiet dist/*.whl
	cd $(VENV)-wheel && bin/python $(CURDIR)/tests/wheel_check.py

$(VENV)/.ready-%: pyproject.toml
	@$(PYTHON) -c "import sys; (3, 11) <= sys.version_info[:2] <= (3, 13) or sys.exit('Python 3.11 to 3.13 is needed, this is ' + sys.version.split()[0] + '. Name another one: make PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --quiet --editable ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-wheel build dist demo results
