#!/usr/bin/env bash
# Builds the registry where that is needed, and runs it with the config.yml of this folder.
#
#     bash run.sh [OPTIONS OF wave serve]
set -euo pipefail
cd "$(dirname "$0")"

wave=${CARGO_TARGET_DIR:-target}/release/wave
if command -v cargo >/dev/null; then
  cargo build --release --locked --bin wave
elif [[ ! -x $wave ]]; then
  echo "run.sh: cargo is missing, and there is no $wave yet: install Rust" >&2
  exit 1
fi
if [[ ! -f pack/layers/layer.json && -z ${WAVE_LAYER_PATH:-} ]]; then
  echo 'run.sh: no layer is packed yet: images pass unchanged until `make clean all` and `make pack`' >&2
fi
exec "$wave" serve "$@"
