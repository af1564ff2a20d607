"""The work every contestant does (see bench/work.ts), for the Python peers."""
import json
import sys
import time

import numpy as np

WORK = json.loads(sys.argv[1])
WIDTH, LAYERS, HEAD_DIM, CONTEXT, BATCH, VOCAB, CALL_STEPS = (
    WORK[key] for key in ("width", "layers", "head_dim", "context", "batch", "vocabulary", "call_steps")
)
BLOCK = WORK["block"]
STACK, DEVICE = WORK["stack"], WORK["device"]
THREADS = int(sys.argv[2])
LEARNING_RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.95, 1e-8
CHECKED_STEPS = 5


def weights():
    """Name → float32 array, in the order of the formula's index."""
    width = WIDTH
    llama = BLOCK == "llama"
    shapes = {"token": (VOCAB, width)} | ({} if llama else {"position": (CONTEXT, width)})
    keys = width // 2 if llama else width
    for l in range(LAYERS):
        shapes |= {f"norm1.{l}": (width,), f"q.{l}": (width, width), f"k.{l}": (width, keys), f"v.{l}": (width, keys), f"out.{l}": (width, width)}
        shapes |= {f"norm2.{l}": (width,)} | ({f"gate.{l}": (width, 4 * width)} if llama else {})
        shapes |= {f"up.{l}": (width, 4 * width), f"down.{l}": (4 * width, width)}
    shapes |= {"norm": (width,), "readout": (width, VOCAB)}
    result = {}
    for index, (name, shape) in enumerate(shapes.items()):
        i = np.arange(np.prod(shape), dtype=np.float64)
        wave = np.sin(0.37 * (index + 1) + 1.3 * i + 0.0021 * i * i)
        result[name] = (1 + 0.1 * wave if name.startswith("norm") else 0.08 * wave).reshape(shape).astype(np.float32)
    return result


def batches(count):
    """Tokens and targets, [count, B, T] each."""
    i = np.arange(count * BATCH * CONTEXT + 1, dtype=np.int64)
    ids = (i * i * 3 + i * 5) % VOCAB
    shape = (count, BATCH, CONTEXT)
    return ids[:-1].reshape(shape), ids[1:].reshape(shape)


def serve(losses, train_call, models=1):
    """The contestants' protocol: `train_call()` runs CALL_STEPS steps of `models` models to their end."""
    train_call()
    print(json.dumps({"losses": [float(x) for x in losses]}), flush=True)
    for line in sys.stdin:
        seconds, started, steps = float(line), time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            train_call()
            steps += CALL_STEPS * models
        print(json.dumps({"seconds_per_step": (time.perf_counter() - started) / steps}), flush=True)
