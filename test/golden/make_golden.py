"""Makes golden.json: an independent PyTorch implementation of the model, its μP scales and AdamW.

Run:  pip install torch==2.13.0 && python test/golden/make_golden.py
Everything is float64 on the CPU, so that the numbers are right to far more digits than a float32 engine has.
Weights and tokens come from formulas that the tests repeat, so only results are stored.
Per case: logits of one batch, the gradient of every parameter by name, and ten AdamW losses.
"""
import json
import math
import pathlib

import torch

torch.set_default_dtype(torch.float64)

COMMON = dict(layers=2, head_dim=4, context=7, batch=3, vocab=11, mlp_ratio=2, beta1=0.9, beta2=0.95, epsilon=1e-3, weight_decay=0.1, steps=10, warmup=0.2, final=0.1)
HPS = dict(learning_rate=0.02, init_std=0.8, embedding_std=0.5, input_multiplier=1.5, output_multiplier=3.0, attention_multiplier=0.7)
CASES = {
    "sp": dict(COMMON, parametrization="sp", base=12, width=12, biases=False),
    "mup": dict(COMMON, parametrization="mup", base=4, width=12, biases=False),
    "mup_biases": dict(COMMON, parametrization="mup", base=8, width=16, biases=True),
    "completep": dict(COMMON, parametrization="completep", base=4, width=12, biases=False, layers=4, base_layers=1),
    "completep_biases": dict(COMMON, parametrization="completep", base=8, width=16, biases=True, base_layers=1),
    "sp_wide_biases": dict(COMMON, parametrization="sp", base=8, width=16, biases=True),
}


def filled(shape, index, gain):
    n = math.prod(shape)
    i = torch.arange(n)
    wave = torch.sin(0.37 * (index + 1) + 1.3 * i + 0.0021 * i * i)
    return ((1.0 + 0.2 * wave) if gain else 0.35 * wave).reshape(shape)


def parameters(c):
    """Name → (role, tensor), weights stored [fan_in, fan_out]."""
    C, F, V, T = c["width"], c["mlp_ratio"] * c["width"], c["vocab"], c["context"]
    shapes = {"token_embedding": ("embedding", (V, C)), "position_embedding": ("embedding", (T, C))}

    def norm(name):
        shapes[f"{name}.gain"] = ("norm", (C,))
        if c["biases"]:
            shapes[f"{name}.bias"] = ("bias", (C,))

    def linear(name, a, b):
        shapes[f"{name}.weight"] = ("hidden", (a, b))
        if c["biases"]:
            shapes[f"{name}.bias"] = ("bias", (b,))

    for l in range(c["layers"]):
        norm(f"blocks.{l}.attention.norm")
        for part in ("query", "key", "value", "output"):
            linear(f"blocks.{l}.attention.{part}", C, C)
        norm(f"blocks.{l}.mlp.norm")
        linear(f"blocks.{l}.mlp.up", C, F)
        linear(f"blocks.{l}.mlp.down", F, C)
    norm("final_norm")
    shapes["readout.weight"] = ("readout", (C, V))
    return {name: (role, filled(shape, i, role == "norm").requires_grad_()) for i, (name, (role, shape)) in enumerate(shapes.items())}


def width_multiplier(c):
    return 1.0 if c["parametrization"] == "sp" else c["width"] / c["base"]


def depth_multiplier(c):
    return c["layers"] / c["base_layers"] if c["parametrization"] == "completep" else 1.0


def forward(p, c, tokens):
    C, D, T = c["width"], c["head_dim"], c["context"]
    B = tokens.shape[0]
    m = width_multiplier(c)
    residual = 1.0 / depth_multiplier(c)
    w = {name: tensor for name, (_, tensor) in p.items()}

    def norm(name, x):
        return torch.nn.functional.layer_norm(x, (C,), w[f"{name}.gain"], w.get(f"{name}.bias"), eps=1e-5)

    def linear(name, x):
        y = x @ w[f"{name}.weight"]
        return y + w[f"{name}.bias"] if c["biases"] else y

    x = HPS["input_multiplier"] * (w["token_embedding"][tokens] + w["position_embedding"])
    scale = HPS["attention_multiplier"] / math.sqrt(D)
    for l in range(c["layers"]):
        h = norm(f"blocks.{l}.attention.norm", x)
        q, k, v = (linear(f"blocks.{l}.attention.{part}", h).view(B, T, C // D, D).transpose(1, 2) for part in ("query", "key", "value"))
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
        x = x + residual * linear(f"blocks.{l}.attention.output", y.transpose(1, 2).reshape(B, T, C))
        h = norm(f"blocks.{l}.mlp.norm", x)
        x = x + residual * linear(f"blocks.{l}.mlp.down", torch.nn.functional.gelu(linear(f"blocks.{l}.mlp.up", h), approximate="tanh"))
    return (HPS["output_multiplier"] / m) * (norm("final_norm", x) @ w["readout.weight"])


def batch(c, step):
    i = torch.arange(c["batch"] * (c["context"] + 1)).reshape(c["batch"], c["context"] + 1)
    ids = (i * i * 3 + i * 5 + 7 * step) % c["vocab"]
    return ids[:, :-1], ids[:, 1:]


def factor(c, step):
    warm = round(c["warmup"] * c["steps"])
    if step <= warm:
        return step / warm
    progress = (step - warm) / (c["steps"] - warm)
    return c["final"] + (1 - c["final"]) * 0.5 * (1 + math.cos(math.pi * progress))


def groups(p, c):
    """AdamW's groups by role: the rules of Table 8, and CompleteP's for depth with a = 1, written out by hand."""
    m, depth = width_multiplier(c), depth_multiplier(c)
    for name, (role, tensor) in p.items():
        hidden = role == "hidden"
        lr = HPS["learning_rate"] / m if hidden else HPS["learning_rate"]
        decay = 0.0 if role in ("norm", "bias") else c["weight_decay"] * (m if hidden else 1.0)
        eps = c["epsilon"] / m / (depth if name.startswith("blocks.") else 1.0)
        yield dict(params=[tensor], lr=lr, weight_decay=decay, eps=eps)


def run(c):
    p = parameters(c)

    def loss_of(step):
        tokens, targets = batch(c, step)
        logits = forward(p, c, tokens)
        return logits, torch.nn.functional.cross_entropy(logits.reshape(-1, c["vocab"]), targets.reshape(-1))

    logits, loss = loss_of(1)
    loss.backward()
    flat = lambda t: [float(f"{x:.9g}") for x in t.detach().reshape(-1).tolist()]
    result = dict(config=c, hyperparameters=HPS, logits=flat(logits), gradients={name: flat(t.grad) for name, (_, t) in p.items()})
    optimizer = torch.optim.AdamW(list(groups(p, c)), betas=(c["beta1"], c["beta2"]))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: factor(c, done + 1))
    losses = []
    for step in range(1, c["steps"] + 1):
        optimizer.zero_grad()
        _, loss = loss_of(step)
        losses.append(float(f"{loss.item():.12g}"))
        loss.backward()
        optimizer.step()
        schedule.step()
    return dict(result, losses=losses)


if __name__ == "__main__":
    target = pathlib.Path(__file__).with_name("golden.json")
    target.write_text(json.dumps({name: run(c) for name, c in CASES.items()}, separators=(",", ":")) + "\n")
    print(target, target.stat().st_size, "bytes")
