#!/usr/bin/env bash
# Every kernel of the cuda engine under compute-sanitizer, on a card: `bench/sanitize-gpu.sh [TOOL…]`
# after the build. All four tools by default: accesses out of bounds, races in shared memory, barriers
# that not all threads reach, reads of device memory that nobody wrote. Ends with 1 if there is any finding.
# initcheck is given no shape with padding: that is read, and does not matter.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${OUT:-$(mktemp -d)} failed=0
[ $# -gt 0 ] || set -- memcheck racecheck synccheck initcheck
for tool; do
  steps=whole,padded
  [ "$tool" = initcheck ] && steps=whole
  rm -f "$out/$tool".*.log
  timeout "${SANITIZE_SECONDS:-240}" compute-sanitizer --tool "$tool" --target-processes all --error-exitcode 9 --log-file "$out/$tool.%p.log" \
    node dist/bench/gpu-check.js --only "$steps" --out "$out/$tool" > "$out/$tool.txt" 2>&1
  status=$?
  # Its summaries, one for each process, say what its exit code leaves out: hazards that it calls warnings.
  summaries=$(cat "$out/$tool".*.log | grep SUMMARY)
  if [ $status -eq 0 ] && [ -n "$summaries" ] && ! grep -qv "SUMMARY: 0 " <<< "$summaries"; then
    echo "$tool: clean ($steps)"
  else
    echo "$tool: FAILED with $status ($steps); see $out/$tool.*.log"
    cat "$out/$tool".*.log | grep -m 12 -E "Error|Warning|Invalid|Uninitialized|Barrier|Potential|hit |SUMMARY"
    tail -n 3 "$out/$tool.txt"
    failed=1
  fi
done
exit $failed
