# Two commands on a fresh machine: `make gate` and `make test`. Both need nothing but Python 3.11.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
REPORT ?= out/gate
# The oracle of the tests. Its own dependencies are pinned to packages that no longer install together; the extra
# `oracle` names the few it needs to be imported.
ORACLE := stable-audio-tools==0.0.19

.PHONY: gate test bench lock goldens tiny-model clean

gate: $(STAMP) ## convert the embedded tiny model for every variant and judge it
	$(BIN)/python -m parity gate --report $(REPORT) --force

test: $(STAMP) ## lint, types and all tests
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --benchmark-disable

bench: $(STAMP) ## latency of every stage and variant on this machine
	$(BIN)/python -m pytest parity/ --benchmark-only

goldens: $(STAMP) ## record the truth's numbers again
	$(BIN)/python -m parity goldens --out fixtures/goldens --force

tiny-model: $(STAMP) ## write fixtures/tiny_model again from its seed
	$(BIN)/python -m fixtures make-model --config tiny --seed 0 --out fixtures/tiny_model --force

lock: ## write requirements.lock again from pyproject.toml
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install -qq -e '.[dev]'
	$(VENV)-lock/bin/python -m pip install -qq --no-deps $(ORACLE)
	echo "# The exact set the gate and the tests run with. Written by 'make lock'." > requirements.lock
	$(VENV)-lock/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' >> requirements.lock
	rm -rf $(VENV)-lock

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq -c requirements.lock -e '.[dev]'
	$(BIN)/python -m pip install -qq -c requirements.lock --no-deps $(ORACLE)
	touch $(STAMP)

clean:
	rm -rf $(VENV) out
