# Every target makes what it needs in .venv. Needs python3 (with venv and headers), g++ and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
C_LIBRARY := $(wildcard csrc/mcm.h csrc/c/*)
CSRC := $(filter-out $(C_LIBRARY),$(wildcard csrc/*.h csrc/*.cpp csrc/*/*))
OUTSIDE := $(C_LIBRARY) $(wildcard fuzz/*.h fuzz/*.cpp benchmarks/*.cpp examples/*.c tests/*.c)
AWAY := build/wheel-check

.PHONY: demo test slow integrations soak lib fuzz bench gpu-check style format wheel-check clean

demo: $(VENV)/.installed
	$(BIN)/python examples/demo.py

# A process a core, but no more than four, each with the files of tests that it was dealt.
test: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

slow: $(VENV)/.installed
	$(BIN)/python -m pytest -m slow

# mcm_fast.integrations and transcoding against the real packages: webdataset, zarr, datasets, litdata,
# ray, pyarrow. They are large, and no part of `make test`, which skips what is absent. MosaicML's
# streaming is not among them: its test runs where '.[streaming]' is installed in another environment.
integrations: $(VENV)/.installed
	$(PIP) install -q -c constraints.txt -e '.[integrations]'
	$(BIN)/python -m pytest -m 'not soak' -rs tests/test_integrations.py tests/test_transcode.py \
	    tests/test_examples.py

# The long runs of tests/test_soak.py: an hour, and 16 GB.
soak: $(VENV)/.installed
	$(BIN)/python -m pytest -m soak

# The C library (docs/c.md): needs g++ and zlib's header alone, neither Python nor .venv.
lib:
	$(MAKE) -C csrc

# Each fuzzer for SECONDS (300). Needs clang, its runtime libraries and llvm.
fuzz: $(VENV)/.installed
	$(BIN)/python -c 'import atheris' 2> /dev/null || $(PIP) install -q -e '.[fuzz]'
	$(MAKE) -C fuzz PYTHON=$(CURDIR)/$(BIN)/python

bench: $(VENV)/.peers
	@mkdir -p build
	$(BIN)/python -m pytest benchmarks -rs --benchmark-json=build/bench.json \
	    --tables benchmarks/results/cpu.md \
	    -o python_files='bench_*.py' -o python_functions='bench_* test_*'

# On a machine with an NVIDIA GPU, with what PYTHON has installed: torch, triton, numpy, safetensors,
# pillow, setuptools, pybind11, ninja, pytest, hypothesis, scikit-image. GPU_CHECK: more arguments,
# such as `--images FOLDER`, of PNG files, or `--dry-run`, without a GPU.
gpu-check:
	$(PYTHON) benchmarks/gpu/check.py $(GPU_CHECK)

style: $(VENV)/.style $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $(CSRC) $(OUTSIDE)

format: $(VENV)/.style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CSRC) $(OUTSIDE)

# The wheel, built from the source distribution, alone in a new environment outside the checkout.
# Its dependencies are borrowed from .venv through a path file, to spare a second torch.
wheel-check: $(VENV)/.installed
	rm -rf $(AWAY)
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m build --outdir $(AWAY)/dist
	$(PYTHON) -m venv $(AWAY)/venv
	$(AWAY)/venv/bin/python -m pip install --no-deps $(AWAY)/dist/*.whl
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
	    > $$($(AWAY)/venv/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/borrowed.pth
	cd / && $(CURDIR)/$(AWAY)/venv/bin/python -I $(CURDIR)/.ci/check_wheel.py

clean:
	rm -rf $(VENV) build dist demo *.egg-info mcm_fast/*.so

# Stamps: pip runs only when its input changed.
$(VENV)/.base: constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -q -c constraints.txt setuptools pybind11 ninja build
	touch $@

$(VENV)/.style: $(VENV)/.base
	$(PIP) install -q -c constraints.txt ruff clang-format mypy
	touch $@

$(VENV)/.installed: setup.py pyproject.toml $(CSRC) $(VENV)/.base
	$(PIP) install -q -c constraints.txt --no-build-isolation -e '.[train,test,demo]'
	touch $@

# Peers of the benchmarks, each left out where it does not install.
$(VENV)/.peers: benchmarks/requirements.txt $(VENV)/.installed
	for peer in $$(grep -v '^#' benchmarks/requirements.txt); do \
	    $(PIP) install -q --no-deps $$peer || echo "bench: $$peer does not install: left out"; \
	done
	touch $@
