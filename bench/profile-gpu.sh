#!/usr/bin/env bash
# Where a step's time goes, kernel by kernel, on a card with ncu: `bench/profile-gpu.sh [WIDTH…]` after the
# build. Stacks of 64 in float32; STACK=…, PRECISION=mixed and WORK='{"vocabulary":50257}' make it another.
# Writes a CSV for each width into OUT (default bench/results) and prints what profile.ts makes of it.
# The card's clocks are left as they are.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${OUT:-bench/results} precision=${PRECISION:-float32} stack=${STACK:-64}
metrics=gpu__time_duration.sum,dram__bytes.sum,sm__warps_active.avg.pct_of_peak_sustained_active
[ $# -gt 0 ] || set -- 64 256
for width; do
  work=$(node -p 'JSON.stringify({layers: 4, head_dim: 32, context: 128, batch: 16, vocabulary: 96, call_steps: 1, whole_machine: true, device: "cuda",
    width: Number(process.argv[1]), stack: Number(process.argv[2]), ...JSON.parse(process.argv[3])})' "$width" "$stack" "${WORK:-{\}}")
  csv=$out/profile-$width-$stack-$precision.csv
  timeout "${PROFILE_SECONDS:-240}" ncu --target-processes all --clock-control none --csv --page raw --print-units base --metrics "$metrics" \
    --launch-count "$(node dist/bench/profile.js "$work")" --log-file "$csv" \
    node dist/bench/contestant.js "$work" cuda 1 "$precision" "" < /dev/null > /dev/null
  echo "width $width, stack $stack, $precision"
  node dist/bench/profile.js "$work" "$csv"
done
