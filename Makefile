# The two commands of a newcomer are `make quickstart` and `make test`. Nothing here needs root or
# writes outside the checkout.

PYTHON ?= python3
# The one libtorch that tch 0.24.0 binds, and that GPU hosts carry.
TORCH  := torch==2.11.0
READY  := .venv/ready

# A libtorch of the user's own is honoured: then no .venv is made.
ifneq ($(strip $(LIBTORCH)$(LIBTORCH_USE_PYTORCH)),)
SETUP :=
else
SETUP := $(READY)
endif

.PHONY: quickstart test build setup peer-curve anchor bench bench-peer fuzz clean

quickstart: build
	target/release/dlmc run specs/quickstart.dlm

# Both executables, in target/release.
build: $(SETUP)
	cargo build --release --locked --features torch --bins

setup: $(SETUP)

# The wheel brings libtorch, its headers, the Python of the tests' oracles and the quickstart's corpus.
# .venv/libtorch is a stable path to it, which .cargo/config.toml and the executables' rpath name.
$(READY):
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	ln -sfn "$$(cd .venv && ls -d lib/python3*/site-packages/torch)" .venv/libtorch
	touch $(READY)

test: export INSTA_UPDATE = no
# The same random cases every time here; plain `cargo test` draws new ones.
test: export PROPTEST_RNG_SEED = 20261124
test: $(SETUP)
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --all-targets --features torch -- -D warnings
	cargo test --locked
	cargo test --locked --features torch --test '*'

# Three seeds of both quickstart arms here and in plain PyTorch, on the same batches, masks and
# initial weights. About an hour on two cores.
peer-curve: build
	.venv/bin/python tests/python/peer_curve.py

# nanoGPT's CPU recipe here and in plain PyTorch.
anchor: build
	.venv/bin/python tests/python/anchor.py

# Ten minutes of mutated specs through the front half, in a release build.
fuzz:
	DLMC_FUZZ_SECONDS=600 cargo test --release --locked --test fuzz -- --nocapture

bench: $(SETUP)
	cargo bench --locked --bench front
	cargo bench --locked --features torch --bench training_step
	cargo bench --locked --features torch --bench attention

# Side by side with PyTorch: training, losses, validation, sampling, start (benches/README.md). Wants a quiet machine, and
# the PyTorch script to measure against (--peer; ../shared/peer/torch_train.py without it). About two hours on two cores.
bench-peer: build
	.venv/bin/python benches/python/bench_peer.py $(ARGS)

clean:
	cargo clean
	rm -rf .venv
