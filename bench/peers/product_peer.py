"""The device's own peak: products of large square matrices, or copies within its memory; `python product_peer.py WORK THREADS float32|tf32|bf16|copy`.
In place of losses it prints what a step does: FLOP, or bytes read and written."""
import sys

import torch

import work

what = sys.argv[3]
torch.set_float32_matmul_precision("high" if what == "tf32" else "highest")  # "high" is TF32
torch.set_num_threads(work.THREADS)
on_gpu = work.DEVICE == "cuda"
edge = 8192 if on_gpu else 1024
count = edge * edge if what != "copy" else 2**29 if on_gpu else 2**24
a, b = (torch.zeros(count, device=work.DEVICE).uniform_(-1, 1) for _ in range(2))
if what != "copy":
    a, b = (x.view(edge, edge).to(torch.bfloat16 if what == "bf16" else torch.float32) for x in (a, b))


def call():
    for _ in range(work.CALL_STEPS):
        a.copy_(b) if what == "copy" else a @ b
    if on_gpu:
        torch.cuda.synchronize()


call()
work.serve([2 * 4 * count if what == "copy" else 2 * edge**3], call)
