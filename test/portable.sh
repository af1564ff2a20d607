#!/usr/bin/env bash
# Compiles the kernels, without warnings, for every vector unit they know with every
# compiler that is here: AVX-512, AVX2, SSE, NEON; gcc and clang.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
node -e 'import("./dist/src/engines/native/header.js").then((m) => process.stdout.write(m.instructionHeader()))' > "$work/instructions.h"
checked=0
check() { # name, compiler, flags
  if ! command -v "$2" > /dev/null; then echo "not checked: $1 ($2 is not installed)"; return; fi
  "$2" -O3 -std=gnu11 -fPIC -shared -pthread -Wall -Wextra -Werror -ffp-contract=fast -fno-math-errno $3 -I "$work" \
    src/engines/native/kernels/kernels.c -o "$work/library.so" -lm
  echo "compiles: $1"
  checked=$((checked + 1))
}
if [ "$(uname -m)" = x86_64 ]; then
  for compiler in gcc clang; do
    check "AVX-512, $compiler" $compiler -march=x86-64-v4
    check "AVX2, $compiler" $compiler -march=x86-64-v3
    check "SSE, $compiler" $compiler -march=x86-64
  done
fi
check "NEON, gcc" aarch64-linux-gnu-gcc ""
[ $checked -gt 0 ]
