"""PyTorch contestant: one model, fused AdamW; `python torch_peer.py WORK THREADS eager|compile|graphs [high|bf16]`:
as it is, compiled, compiled into CUDA graphs; products of float32, of TF32 ("high"), or of bfloat16 by autocast."""
import sys

import numpy as np
import torch
import torch.nn.functional as F

import work

width, mode, precision = work.WIDTH, sys.argv[3], (sys.argv + ["highest"])[4]
torch.set_num_threads(work.THREADS)
torch.set_float32_matmul_precision("highest" if precision == "bf16" else precision)
heads = width // work.HEAD_DIM
start = work.weights()


angles = torch.arange(work.CONTEXT)[:, None] * 10_000.0 ** (-2 * torch.arange(work.HEAD_DIM // 2) / work.HEAD_DIM)
COS, SIN = (of(angles).repeat(1, 2).to(work.DEVICE) for of in (torch.cos, torch.sin))


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        # q, k and v as one product, as a PyTorch user would write it
        fused = {k: v for k, v in start.items() if k.split(".")[0] not in "qkv"}
        for l in range(work.LAYERS):
            fused[f"qkv.{l}"] = np.concatenate([start[f"{part}.{l}"] for part in "qkv"], axis=1)
            if f"gate.{l}" in fused:
                fused[f"up.{l}"] = np.concatenate([fused.pop(f"gate.{l}"), fused[f"up.{l}"]], axis=1)
        self.p = torch.nn.ParameterDict({k.replace(".", "_"): torch.nn.Parameter(torch.tensor(v)) for k, v in fused.items()})

    def forward(self, x, y):
        return self.llama(x, y) if work.BLOCK == "llama" else self.gpt2(x, y)

    def llama(self, x, y):
        p, (B, T), D, keys = self.p, x.shape, work.HEAD_DIM, heads // 2
        h = p["token"][x]
        for l in range(work.LAYERS):
            qkv = (F.rms_norm(h, (width,), p[f"norm1_{l}"], 1e-5) @ p[f"qkv_{l}"]).view(B, T, heads + 2 * keys, D).transpose(1, 2)
            turned, v = qkv[:, : heads + keys], qkv[:, heads + keys :]
            one, other = turned.chunk(2, dim=-1)
            turned = turned * COS + torch.cat((-other, one), dim=-1) * SIN
            q, k = turned[:, :heads], turned[:, heads:]
            a = F.scaled_dot_product_attention(q, k.repeat_interleave(2, 1), v.repeat_interleave(2, 1), is_causal=True)
            h = h + a.transpose(1, 2).reshape(B, T, width) @ p[f"out_{l}"]
            gate, up = (F.rms_norm(h, (width,), p[f"norm2_{l}"], 1e-5) @ p[f"up_{l}"]).chunk(2, dim=-1)
            h = h + (F.silu(gate) * up) @ p[f"down_{l}"]
        logits = F.rms_norm(h, (width,), p["norm"], 1e-5) @ p["readout"]
        return F.cross_entropy(logits.view(-1, work.VOCAB), y.reshape(-1))

    def gpt2(self, x, y):
        p, (B, T) = self.p, x.shape
        h = p["token"][x] + p["position"]
        for l in range(work.LAYERS):
            q, k, v = (F.layer_norm(h, (width,), p[f"norm1_{l}"]) @ p[f"qkv_{l}"]).view(B, T, 3, heads, work.HEAD_DIM).permute(2, 0, 3, 1, 4)
            a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            h = h + a.transpose(1, 2).reshape(B, T, width) @ p[f"out_{l}"]
            h = h + F.gelu(F.layer_norm(h, (width,), p[f"norm2_{l}"]) @ p[f"up_{l}"], approximate="tanh") @ p[f"down_{l}"]
        logits = F.layer_norm(h, (width,), p["norm"]) @ p["readout"]
        return F.cross_entropy(logits.view(-1, work.VOCAB), y.reshape(-1))


model = Model().to(work.DEVICE)
forward = {"eager": lambda: model, "compile": lambda: torch.compile(model), "graphs": lambda: torch.compile(model, mode="reduce-overhead")}[mode]()
optimizer = torch.optim.AdamW(model.parameters(), lr=work.LEARNING_RATE, betas=(work.BETA1, work.BETA2), eps=work.EPSILON, weight_decay=0.0, fused=True)


def step(x, y):
    if mode == "graphs":
        torch.compiler.cudagraph_mark_step_begin()
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(work.DEVICE, torch.bfloat16, enabled=precision == "bf16"):
        loss = forward(x, y)
    loss.backward()
    optimizer.step()
    return loss


def to_torch(count):
    return [list(torch.tensor(part).to(work.DEVICE)) for part in work.batches(count)]


losses = [step(x, y).item() for x, y in zip(*to_torch(work.CHECKED_STEPS))]
xs, ys = to_torch(work.CALL_STEPS)


def call():
    for x, y in zip(xs, ys):
        step(x, y)
    if work.DEVICE == "cuda":
        torch.cuda.synchronize()


work.serve(losses, call)
