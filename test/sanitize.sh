#!/usr/bin/env bash
# The native engine's conformance suite under the address, undefined-behaviour and
# thread sanitizers, that of the CUDA kernels on the stand-in under the first two, then a
# short sweep under valgrind: `npm run test:sanitize`. Needs gcc and g++ with their
# sanitizer libraries, and valgrind. Ends with the first finding.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export MUTRANSFER_CACHE="$work/cache" CC=gcc

# Name, preloaded runtimes, flags, engine, tests: the suite under one instrumented build.
conformance() {
  echo "== $4: $1"
  LD_PRELOAD=$2 MUTRANSFER_CFLAGS="$3 -O1 -g" node node_modules/vitest/vitest.mjs run "test/conformance/$4.test.ts" -t "$5"
}
library() { gcc -print-file-name="lib$1.so"; }
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS="ignore_noninstrumented_modules=1 halt_on_error=1"
both="$(library asan):$(library ubsan)"
conformance "address, undefined behaviour" "$both" "-fsanitize=address,undefined -fno-sanitize-recover=all" native "native conforms"
conformance "threads" "$(library tsan)" "-fsanitize=thread" native "native conforms"
# The stand-in has flags of its own; the CPU that it is compared with is not examined again.
export MUTRANSFER_CI=1 MUTRANSFER_SANITIZE=1 CXX=g++
ASAN_OPTIONS=$ASAN_OPTIONS:detect_stack_use_after_return=0 conformance "address, undefined behaviour" "$both" "" cuda "conforms|as the CPU does"

echo "== valgrind"
cat > "$work/tiny.yaml" <<'SPEC'
name: tiny
data: {source: moby-dick}
model: {layers: 1, head_dim: 8, context: 16}
width: {proxy: 8, target: 16}
train: {steps: 6, batch: 4, evaluate: {every: 3, batches: 2}}
search: {trials: 2, parameters: {learning_rate: {distribution: log_uniform, min: 0.01, max: 0.1}}}
SPEC
# valgrind knows no AVX-512. The plain run compiles the kernels, so that the compiler is not examined as well.
export MUTRANSFER_CFLAGS="-march=x86-64-v3 -g"
node bin/mutransfer.js sweep "$work/tiny.yaml" --engine native --out "$work/plain" -q > /dev/null
valgrind --quiet --trace-children=yes --log-file="$work/valgrind.%p" \
  node bin/mutransfer.js sweep "$work/tiny.yaml" --engine native --out "$work/examined" --jobs 1 -q
cmp "$work/plain/results.json" "$work/examined/results.json"
# Node and the loader have findings of their own; none may have a kernel in its stack.
if grep -B 12 -A 12 'kernels-' "$work"/valgrind.*; then exit 1; fi
echo "clean"
