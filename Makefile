# Two commands on a fresh machine: `make gate` and `make test`. Both need nothing but Python 3.11.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
REPORT ?= out/gate

.PHONY: gate test bench lint lock tiny-model clean

gate: $(STAMP) ## convert the embedded tiny model into every core variant and judge it
	$(BIN)/python -m parity gate --report $(REPORT) --force

test: $(STAMP) ## lint, types and all tests
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --benchmark-disable

bench: $(STAMP) ## latency of every stage and variant on this machine
	$(BIN)/python -m pytest parity/ --benchmark-only

tiny-model: $(STAMP) ## write fixtures/tiny_model again from its seed
	$(BIN)/python -m fixtures make-model --config tiny --seed 0 --out fixtures/tiny_model --force

lock: ## write requirements.lock again from pyproject.toml
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install -qq -e '.[dev]'
	echo "# The exact set the gate and the tests run with. Written by 'make lock'." > requirements.lock
	$(VENV)-lock/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' >> requirements.lock
	rm -rf $(VENV)-lock

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq -c requirements.lock -e '.[dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) out
