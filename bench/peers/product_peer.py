"""The device's own peak: products of large square matrices; `python product_peer.py WORK THREADS [high]`."""
import sys

import torch

import work

if len(sys.argv) > 3:
    torch.set_float32_matmul_precision(sys.argv[3])  # "high" is TF32
torch.set_num_threads(work.THREADS)
EDGE = 8192 if work.DEVICE == "cuda" else 1024
a, b = (torch.randn(EDGE, EDGE, device=work.DEVICE) for _ in range(2))


def call():
    for _ in range(work.CALL_STEPS):
        a @ b
    if work.DEVICE == "cuda":
        torch.cuda.synchronize()


call()
work.serve([EDGE], call)
