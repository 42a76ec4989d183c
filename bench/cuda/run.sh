#!/usr/bin/env bash
# One run on a machine with a GPU, under five minutes: correctness first, then the table of tasks a second. Everything is built before
# (npm run setup && npm run build:cuda); nothing outside the repository is read. The result is bench/cuda/result.json, to be committed.
#
#   bench/cuda/run.sh            what is not installed (compute-sanitizer, PyTorch, JAX) is skipped by name
set -uo pipefail
cd "$(git -C "$(dirname "$0")" rev-parse --show-toplevel 2>/dev/null || (cd "$(dirname "$0")/../.." && pwd))" || exit 1
out=bench/cuda/result.json
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
failed=0

for built in dist/bench/cuda/measure.js build/Release/innerloop.node build/cuda/innerloop_cuda.so; do
  [ -e "$built" ] || { echo "missing: $built (npm run setup && npm run build:cuda)"; exit 1; }
done
export INNERLOOP_CUDA_PLUGIN=$PWD/build/cuda/innerloop_cuda.so INNERLOOP_TEST_DEVICE=gpu TAP_TIMEOUT=0
node dist/bench/cuda/measure.js --probe || exit 1

# The emulation is left out: these are the suites on the GPU.
for suite in golden equality training serving; do
  if timeout 90 node "dist/test/cuda/$suite.test.js" >"$logs/$suite.log" 2>&1; then
    echo "$suite: $(grep -c '^ok' "$logs/$suite.log") passed"
  else
    echo "$suite: FAILED"
    grep -A6 '^not ok' "$logs/$suite.log" | head -20
    failed=1
  fi
done

if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck; do
    if timeout 60 compute-sanitizer --tool "$tool" --error-exitcode 9 node dist/bench/cuda/measure.js --once >"$logs/$tool.log" 2>&1; then
      echo "compute-sanitizer $tool: clean"
    else
      echo "compute-sanitizer $tool: FAILED or out of time"
      tail -5 "$logs/$tool.log"
      failed=1
    fi
  done
else
  echo 'skipped: compute-sanitizer is not installed'
fi

node dist/bench/cuda/measure.js >"$logs/ours.jsonl" || failed=1
rows=("$logs/ours.jsonl")
for peer in torch jax; do
  if python3 -c "import $peer" 2>/dev/null; then
    timeout 60 python3 bench/cuda/peers.py "$peer" >"$logs/$peer.jsonl" && rows+=("$logs/$peer.jsonl") ||
      echo "$peer: FAILED or out of time"
  else
    echo "skipped: $peer is not installed"
  fi
done
node dist/bench/cuda/measure.js --table "$out" "${rows[@]}"
exit $failed
