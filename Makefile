# Two commands on a fresh machine: `make gate` and `make test`. Both need nothing but Python 3.11. What a verdict needs is
# installed first (GATE_STAMP); linters, the oracle and readers of what we write (STAMP) come on top, into the same folder.
PYTHON ?= python3.11
# Without --no-compile pip compiles every module there is, which takes longer than unpacking; Python compiles what it imports.
INSTALL := -m pip install -qq --no-compile -c requirements.lock
# So it has to keep what it compiled: else each of the many processes compiles torch and the converters again, for 15 s.
export PYTHONDONTWRITEBYTECODE :=
VENV := .venv
BIN := $(VENV)/bin
GATE_STAMP := $(VENV)/gate-installed
STAMP := $(VENV)/installed
DOCS_STAMP := $(VENV)/docs-installed
SEARCH_STAMP := $(VENV)/search-installed
REPORT ?= out/gate
# The oracle of the tests. Its own dependencies are pinned to packages that no longer install together; the extra
# `oracle` names the few it needs to be imported.
ORACLE := stable-audio-tools==0.0.19
# The oracles of the SAME codec: the newer stable-audio-tools cannot stand beside the older, so they have a folder of their
# own (10 MB) and a process of their own. Nothing of them is run but pure Python, whatever versions they ask for.
ORACLE_SAME := stable-audio-tools==0.0.20 torchaudio==2.11.0
ORACLE_SAME_FOLDER := .venv-oracle-same
ORACLE_SAME_STAMP := $(ORACLE_SAME_FOLDER)/installed
ORACLE_SAME_INSTALL := -m pip install -qq --no-compile --no-deps --ignore-requires-python --target $(ORACLE_SAME_FOLDER)
# A second opinion of one of the two models (30 MB).
DIFFUSERS := diffusers==0.42.1
DIFFUSERS_STAMP := $(ORACLE_SAME_FOLDER)/diffusers-installed
# A port that is judged; of what it asks for, nothing is needed that is not here.
PEERS := mlx-audiogen==0.2.0
# A converter whose TensorFlow and numpy cannot live beside ours, in an environment of its own (2.6 GB).
ONNX2TF := onnx2tf==1.29.24 tensorflow==2.19.0
ONNX2TF_VENV := .venv-onnx2tf
ONNX2TF_STAMP := $(ONNX2TF_VENV)/installed
# What 1.0 is compared with beside stable-audio-tools, in a folder of its own (30 MB): nothing of its dependencies is needed.
ORACLE_FOLDER := .venv-oracle
ORACLE_STAMP := $(ORACLE_FOLDER)/installed

# Everything at the size of Stable Audio Open Small. Without a real checkpoint (MODEL=DIR) a seeded one is made.
FULL ?= out/full
MODEL ?= $(FULL)/model
FULL_VARIANTS ?= litert_fp32,litert_fp16,litert_int8

# The tiny model of Stable Audio Open 1.0, and what is judged of it.
OPEN1 ?= out/open1
OPEN1_MLX = $(shell $(BIN)/python -c "import mlx.core" 2> /dev/null && echo ,mlx_fp32,mlx_fp16,mlx_int8,mlx_int4)
OPEN1_VARIANTS ?= litert_fp32,litert_int8,onnx_fp32,onnx_int8$(OPEN1_MLX)
# What is asked of such a model in other ways: led away from words, from an empty prompt, from nothing; numbers of their own and beyond
# the range; a prompt without padding. `make gate-open1 OPEN1_CASES=` asks all, which takes MLX some minutes more.
OPEN1_CASES ?= drums,pad,empty,exactly_full,unicode,seconds_max
# The same model at the official one's widths and depth, of which everything is there but the length: 32 latents.
OPEN1_WIDE ?= out/open1-wide
# The codec at the size of Stable Audio 3's small one; without a real checkpoint (CODEC_MODEL=DIR) a seeded one is made.
CODEC ?= out/codec
CODEC_MODEL ?= $(CODEC)/model
CODEC_BUNDLES := fp32 int8 int8_weight_only

# Bundles of the headline, and the numbers of threads it times them with.
HEADLINE := plain windowed int8 int8_fast
THREADS ?= 1,2

# Other versions of Python, each with an environment of its own (2.5 GB). Those of the lock's numpy, scipy and jax need 3.11.
PYTHONS ?= 3.10 3.12 3.13
UNLOCKED := 3.10
# These read what we write with a program of half a gigabyte.
UNREAD := --ignore parity/meta_tests/explain/test_overlays.py

# Processes the tests are shared out to, each of some 1.5 GB; fixtures/processes.py says which tests stay together, and whose turn it is.
JOBS ?= 2
SHARED := -n $(JOBS) --dist loadgroup --no-loadscope-reorder
# Of the product's tests: prompts and seconds of each kind. All cases are judged by `make gate`, and by `pytest parity/` without this.
CASES ?= drums,exactly_full,unicode,seconds_zero,seconds_beyond

.PHONY: gate gate-open1 open1-wide gate-codec codec-full headroom gate-full headline test looked-over types tests more mixes rounded oracle pythons registry mlx peers rungs open1-test search-test faults faults-test docs docs-test bench lock goldens tiny-model sound-model emulator arm onnx2tf clean

gate: $(GATE_STAMP) ## convert the embedded model for every variant and judge it; onnx2tf's where it is installed
	$(BIN)/python -m parity gate --report $(REPORT) --force

gate-open1: $(OPEN1)/model/model_config.json ## the same for the tiny model of Stable Audio Open 1.0, in LiteRT, ONNX and MLX
	$(BIN)/python -m parity gate --model $(OPEN1)/model --variants $(OPEN1_VARIANTS) \
		$(if $(OPEN1_CASES),--cases $(OPEN1_CASES)) --report $(OPEN1)/gate --force || test $$? -eq 1 # what the policy says of 8 and 4 bits under guidance is an answer, too

$(OPEN1)/model/model_config.json: | $(GATE_STAMP)
	$(BIN)/python -m fixtures make-model --config open1-tiny --seed 0 --out $(OPEN1)/model --force

open1-wide: $(OPEN1_WIDE)/int8/manifest.json ## hold steps of 1.0's whole DiT in LiteRT FP32 and INT8 to their limits: 10 GB of disk, 13 of memory
	$(BIN)/python -m pytest parity/test_parity.py --benchmark-disable --model $(OPEN1_WIDE)/model \
		--bundle $(OPEN1_WIDE)/fp32 --bundle $(OPEN1_WIDE)/int8 --variants torch_fp32,litert_fp32,litert_int8 \
		--cases drums -k "dit and teacher_forced" -rP

$(OPEN1_WIDE)/model/model_config.json: | $(GATE_STAMP)
	$(BIN)/python -m fixtures make-model --config open1-wide --seed 0 --out $(OPEN1_WIDE)/model --force

$(OPEN1_WIDE)/fp32/manifest.json: $(OPEN1_WIDE)/model/model_config.json | $(STAMP)
	$(BIN)/python -m litert_pipeline convert --model $(OPEN1_WIDE)/model --out $(OPEN1_WIDE)/fp32 --force

$(OPEN1_WIDE)/int8/manifest.json: $(OPEN1_WIDE)/fp32/manifest.json
	$(BIN)/python -m litert_pipeline quantize $(OPEN1_WIDE)/fp32 --recipe int8 --out $(OPEN1_WIDE)/int8 --force

gate-codec: $(GATE_STAMP) ## the same for Stable Audio 3's codec, with a tiny seeded one
	$(BIN)/python -m fixtures make-model --config same-tiny --seed 0 --out out/same-tiny --force
	$(BIN)/python -m parity gate --model out/same-tiny --report out/gate-codec --force

headroom: $(GATE_STAMP) ## hold what the last `make gate` measured to the ledger of limits
	$(BIN)/python -m parity headroom $(REPORT) --whole

gate-full: $(FULL)/int8/manifest.json ## the same at full size: make or take a model, convert, quantize, judge one case
	$(BIN)/python -m parity gate --model $(MODEL) --bundle $(FULL)/fp32 --bundle $(FULL)/int8 \
		--variants $(FULL_VARIANTS) --cases drums --threads 2 --report $(FULL)/report --force

headline: $(HEADLINE:%=$(FULL)/%/manifest.json) ## time FP32, the mission's mix and our fastest at full size, judged first
	$(BIN)/python -m parity gate --model $(MODEL) $(HEADLINE:%=--bundle $(FULL)/%) \
		--cases drums --threads 2 --report $(FULL)/headline-gate --force || test $$? -eq 1
	$(BIN)/python -m parity headline --model $(MODEL) $(HEADLINE:%=--bundle $(FULL)/%) \
		--report $(FULL)/headline-gate --threads $(THREADS) --out $(FULL)/headline.md --force

codec-full: $(CODEC_BUNDLES:%=$(CODEC)/%/manifest.json) ## measure the codec at full size: fidelity, speed beside PyTorch, memory
	$(BIN)/python -m parity codec --model $(CODEC_MODEL) $(CODEC_BUNDLES:%=--bundle $(CODEC)/%) \
		--threads 2 --memory 30,1800 --out $(CODEC)/measured.md --force

$(CODEC)/model/model_config.json: | $(GATE_STAMP)
	$(BIN)/python -m fixtures make-model --config same-s --seed 0 --out $(CODEC)/model --force

$(CODEC)/fp32/manifest.json: $(CODEC_MODEL)/model_config.json | $(GATE_STAMP)
	$(BIN)/python -m litert_pipeline convert --model $(CODEC_MODEL) --out $(CODEC)/fp32 --force

$(CODEC)/int8/manifest.json $(CODEC)/int8_weight_only/manifest.json: $(CODEC)/%/manifest.json: $(CODEC)/fp32/manifest.json
	$(BIN)/python -m litert_pipeline quantize $(CODEC)/fp32 --recipe $* --out $(CODEC)/$* --force

$(FULL)/model/model_config.json: | $(GATE_STAMP)
	$(BIN)/python -m fixtures make-model --config small --seed 0 --out $(FULL)/model --force

$(FULL)/fp32/manifest.json: $(MODEL)/model_config.json | $(GATE_STAMP)
	$(BIN)/python -m litert_pipeline convert --model $(MODEL) --out $(FULL)/fp32 --force

$(FULL)/int8/manifest.json: $(FULL)/fp32/manifest.json
	$(BIN)/python -m litert_pipeline quantize $(FULL)/fp32 --recipe int8 --out $(FULL)/int8 --force

$(FULL)/plain/manifest.json $(FULL)/windowed/manifest.json: $(FULL)/%/manifest.json: $(FULL)/fp32/manifest.json
	$(BIN)/python -m litert_pipeline convert --model $(MODEL) --recipe $* --base $(FULL)/fp32 --out $(FULL)/$* --force

$(FULL)/int8_fast/manifest.json: $(FULL)/windowed/manifest.json
	$(BIN)/python -m litert_pipeline quantize $(FULL)/windowed --recipe int8_fast --out $(FULL)/int8_fast --force

test: ## lint, types and all tests
	@$(MAKE) --no-print-directory -j 2 looked-over $(ONNX2TF_STAMP) $(ORACLE_STAMP) $(ORACLE_SAME_STAMP)  # side by side: each waits for downloads half of its time
	@$(MAKE) --no-print-directory -j 2 types tests  # what tests leave of the two cores is enough for the types

looked-over: $(STAMP) ## lint; and the emulators, where they can be had
	$(BIN)/ruff check .
	-$(BIN)/python -m parity.device.arm_python

types: $(STAMP)
	$(BIN)/mypy

tests: $(STAMP)
# Threads that wait spinning take the core another process would compute on.
	OMP_WAIT_POLICY=passive $(BIN)/python -m pytest --benchmark-disable --cases $(CASES) $(SHARED)

more: $(STAMP) ## the other rows of long tables, of which `make test` takes a few of each kind
	OMP_WAIT_POLICY=passive $(BIN)/python -m pytest --benchmark-disable --cases $(CASES) $(SHARED) -m more

mixes: $(STAMP) ## judge every mix of parity/mixes/table.py: whatever stores a stage small, a sound file is not refused
	$(BIN)/python -m pytest parity/meta_tests/test_mixes.py --benchmark-disable -m "" $(SHARED)

rounded: $(STAMP) ## judge bundles converted from weights that upstream's loader rounds to FP16, every stage and format
	$(BIN)/python -m pytest parity/meta_tests/judge/test_upstream_rounded.py --benchmark-disable -m rounded

oracle: $(STAMP) $(ORACLE_STAMP) $(ORACLE_SAME_STAMP) $(DIFFUSERS_STAMP) ## compare all drawn configurations with their oracles, of which `make test` has a part
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest reference --benchmark-disable $(SHARED) -m oracle

pythons: $(PYTHONS:%=.venv-%/installed) ## the tests that convert nothing, on other versions of Python
	for version in $(PYTHONS); do .venv-$$version/bin/python --version && \
		OMP_WAIT_POLICY=passive .venv-$$version/bin/python -m pytest --benchmark-disable $(SHARED) -m quick $(UNREAD) || exit 1; done

.venv-%/installed: requirements.lock pyproject.toml
	python$* -m venv .venv-$*
	.venv-$*/bin/python -m pip install -qq --no-compile $(if $(filter $*,$(UNLOCKED)),,-c requirements.lock) -e '.[build,oracle,tests,release]' hypothesis pytest-xdist 'optuna>=5,<6'
	.venv-$*/bin/python -m pip install -qq --no-compile --no-deps $(ORACLE)
	touch $@

registry: $(STAMP) ## whether the extras resolve on other machines, Linux on aarch64, macOS on arm64, and a wheel works in an environment of its own
	$(BIN)/python -m pytest parity/meta_tests/test_resolves.py parity/meta_tests/test_package.py --benchmark-disable -m registry

mlx: $(STAMP) ## the product's tests of the MLX variants, of which `make test` has some of the port alone
	$(BIN)/python -m pytest parity/ --benchmark-disable $(SHARED) -m slow_runtime

peers: $(STAMP) ## judge other people's ports by their own code (see docs/peers.md)
	$(BIN)/python $(INSTALL) --no-deps $(PEERS)
	$(BIN)/python -m pytest parity/meta_tests/runtimes/test_mlx_audiogen.py --benchmark-disable -m peers

rungs: $(STAMP) ## judge a codec's files as Stability publishes them: one signature for each length, FP32 and INT8
	$(BIN)/python -m pytest parity/meta_tests/judge/test_rungs.py --benchmark-disable -m rungs

search-test: $(STAMP) $(SEARCH_STAMP) ## search the tiny model, 60 mixes, twice: the same front, all of it to be published; and trials on a Ray cluster (80 MB)
	$(BIN)/python -m pytest parity/meta_tests/search --benchmark-disable -m search

open1-test: $(STAMP) ## judge bundles of the tiny Stable Audio Open 1.0, of which `make test` judges the reference
	$(BIN)/python -m pytest parity/meta_tests/open1 --benchmark-disable -m open1

faults: $(GATE_STAMP) ## inject every fault into files of both embedded models and write docs/faults.md
	$(BIN)/python -m parity faults --beside fixtures/tiny_model --out docs/faults.md --force

faults-test: $(STAMP) ## the tests of all faults, of which `make test` has a few of each kind
	$(BIN)/python -m pytest --benchmark-disable $(SHARED) -m faults parity/meta_tests

docs: $(DOCS_STAMP) ## the pages of docs/ as a site in out/site
	$(BIN)/zensical build --clean --strict

docs-test: $(STAMP) ## run the first steps of docs/first-steps.md as they stand, on the tiny model
	$(BIN)/python -m pytest parity/meta_tests/test_docs.py --benchmark-disable -m docs

bench: $(STAMP) $(ONNX2TF_STAMP) ## latency of every stage and variant on this machine
	mkdir -p out
	$(BIN)/python -m pytest parity/ --benchmark-only --threads $(THREADS) --benchmark-json=out/latency.json

goldens: $(GATE_STAMP) ## record the truth's numbers again
	for model in tiny_model sound_model; do \
		$(BIN)/python -m parity goldens --model fixtures/$$model --out fixtures/goldens/$$model --force || exit; done

tiny-model: $(GATE_STAMP) ## write fixtures/tiny_model again from its seed
	$(BIN)/python -m fixtures make-model --config tiny --seed 0 --out fixtures/tiny_model --force

sound-model: $(GATE_STAMP) ## train a small model that makes sound, from nothing, or go on where that stopped; takes about four hours of one core
	$(BIN)/python -m fixtures train --out out/sound $(if $(wildcard out/sound),--resume)

emulator: $(GATE_STAMP) ## other CPUs for the tests: qemu and an Arm Python, into the user's cache
	$(BIN)/python -m parity.device.arm_python

arm: $(GATE_STAMP) ## ask a kit on emulated Arm CPUs, judge what they answer and write docs/arm.md; fetches 340 MB once
	$(BIN)/python -m parity.arm --page docs/arm.md

onnx2tf: $(ONNX2TF_STAMP) ## the environment of the converter onnx2tf


lock: ## write both lock files again
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install -qq -e '.[dev,mlx,docs,search]'
	$(VENV)-lock/bin/python -m pip install -qq --no-deps $(ORACLE)
	echo "# The exact set the gate and the tests run with. Written by 'make lock'." > requirements.lock
# Linux on aarch64 has a torch of its own (pyproject.toml says why), which a constraint of another version would rule out.
	$(VENV)-lock/bin/python -m pip freeze --exclude-editable | sed -e 's/+cpu$$//' \
		-e "s/^torch==.*/&; sys_platform != 'linux' or platform_machine != 'aarch64'/" >> requirements.lock
	rm -rf $(VENV)-lock
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install -qq $(ONNX2TF)
	echo "# The environment of the converter onnx2tf. Written by 'make lock'." > requirements-onnx2tf.lock
	$(VENV)-lock/bin/python -m pip freeze >> requirements-onnx2tf.lock
	rm -rf $(VENV)-lock

$(GATE_STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(INSTALL) -e '.[build]'
	-$(BIN)/python $(INSTALL) -e '.[mlx]'  # 11 MB; where there is no wheel for it the gate leaves its rows out
	touch $(GATE_STAMP)

$(STAMP): $(GATE_STAMP)
	$(BIN)/python $(INSTALL) -e '.[dev]'
	$(BIN)/python $(INSTALL) --no-deps $(ORACLE)
	touch $(STAMP)

$(SEARCH_STAMP): $(GATE_STAMP)
	$(BIN)/python $(INSTALL) -e '.[search]'
	touch $(SEARCH_STAMP)

$(DOCS_STAMP): $(GATE_STAMP)
	$(BIN)/python $(INSTALL) -e '.[docs]'
	touch $(DOCS_STAMP)

$(ORACLE_SAME_STAMP): | $(GATE_STAMP)
	$(BIN)/python $(ORACLE_SAME_INSTALL) $(ORACLE_SAME)
	touch $(ORACLE_SAME_STAMP)

$(DIFFUSERS_STAMP): | $(ORACLE_SAME_STAMP)
	$(BIN)/python $(ORACLE_SAME_INSTALL) $(DIFFUSERS)
	touch $(DIFFUSERS_STAMP)

$(ONNX2TF_STAMP): requirements-onnx2tf.lock
	$(PYTHON) -m venv $(ONNX2TF_VENV)
	$(ONNX2TF_VENV)/bin/python -m pip install -qq --no-compile -c requirements-onnx2tf.lock $(ONNX2TF)
	touch $(ONNX2TF_STAMP)

$(ORACLE_STAMP): requirements-oracle.lock | $(GATE_STAMP)
	rm -rf $(ORACLE_FOLDER)
	$(BIN)/python -m pip install -qq --no-compile --no-deps --target $(ORACLE_FOLDER) -r requirements-oracle.lock
	touch $(ORACLE_STAMP)

clean:
	rm -rf $(VENV) $(ONNX2TF_VENV) $(ORACLE_FOLDER) $(ORACLE_SAME_FOLDER) out
