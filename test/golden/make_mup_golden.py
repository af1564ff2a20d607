"""Makes mup_golden.json: the same model under microsoft/mup, the reference implementation of μP in PyTorch.

Run:  pip install torch==2.13.0 mup==1.0.0 && python test/golden/make_mup_golden.py
Scales are the library's: mup.init.normal_ initialises, MuReadout divides the logits, MuAdamW sets learning rates
and weight decays. The library leaves Adam's ε alone, so it is tiny here, and invisible on both sides.
Weights are waves of unit variance × the library's own std, and tokens come from a formula; both are repeated in the
test, so only results are stored. Everything is float64.
Per width ratio: std, learning rate and decay of every tensor, logits of the first batch, losses of 20 AdamW steps.
"""
import json
import math
import pathlib

import mup
import torch

torch.set_default_dtype(torch.float64)

C = dict(layers=2, head_dim=8, context=8, batch=4, vocab=13, mlp_ratio=4, beta1=0.9, beta2=0.95, epsilon=1e-14, weight_decay=0.1, steps=20, base=16)
HPS = dict(learning_rate=0.01, init_std=0.9, embedding_std=0.7, input_multiplier=1.0, output_multiplier=2.0, attention_multiplier=1.0)
RATIOS = (1, 2, 4)


class Attention(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = torch.nn.LayerNorm(width, bias=False)
        self.query, self.key, self.value, self.output = (torch.nn.Linear(width, width, bias=False) for _ in range(4))

    def forward(self, x):
        batch, context, width = x.shape
        h = self.norm(x)
        q, k, v = (part(h).view(batch, context, -1, C["head_dim"]).transpose(1, 2) for part in (self.query, self.key, self.value))
        # Heads grow with the width and head_dim does not, so 1/√head_dim is one of μP's constant scales.
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1 / math.sqrt(C["head_dim"]))
        return self.output(y.transpose(1, 2).reshape(batch, context, width))


class Mlp(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = torch.nn.LayerNorm(width, bias=False)
        self.up = torch.nn.Linear(width, C["mlp_ratio"] * width, bias=False)
        self.down = torch.nn.Linear(C["mlp_ratio"] * width, width, bias=False)

    def forward(self, x):
        return self.down(torch.nn.functional.gelu(self.up(self.norm(x)), approximate="tanh"))


class Transformer(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.token_embedding = torch.nn.Embedding(C["vocab"], width)
        self.position_embedding = torch.nn.Embedding(C["context"], width)
        self.blocks = torch.nn.ModuleList(torch.nn.ModuleDict(dict(attention=Attention(width), mlp=Mlp(width))) for _ in range(C["layers"]))
        self.final_norm = torch.nn.LayerNorm(width, bias=False)
        self.readout = mup.MuReadout(width, C["vocab"], bias=False, output_mult=HPS["output_multiplier"])

    def forward(self, tokens):
        x = self.token_embedding(tokens) + self.position_embedding.weight
        for block in self.blocks:
            x = x + block["attention"](x)
            x = x + block["mlp"](x)
        return self.readout(self.final_norm(x))


def our_name(name):
    if "norm" in name:
        return name.replace(".weight", ".gain")
    return name.removesuffix(".weight") if "embedding" in name else name


def base_std(name, parameter):
    """Std at the base width, as a user of the library would state it; the library adapts it to the width."""
    if "embedding" in name:
        return HPS["embedding_std"]
    fan_in = parameter.infshape[1].base_dim
    return HPS["init_std"] / math.sqrt(fan_in)


def library_std(name, parameter):
    """The factor that the library puts on standard normal numbers."""
    torch.manual_seed(0)
    numbers = torch.empty_like(parameter).normal_()
    torch.manual_seed(0)
    with torch.no_grad():
        mup.init.normal_(parameter, std=base_std(name, parameter))
    return float((parameter.detach() / numbers).median())


def wave(index, count):
    i = torch.arange(count)
    return math.sqrt(2) * torch.sin(0.37 * (index + 1) + 1.3 * i + 0.0021 * i * i)


def batch(step):
    i = torch.arange(C["batch"] * (C["context"] + 1)).reshape(C["batch"], C["context"] + 1)
    ids = (i * i * 3 + i * 5 + 7 * step) % C["vocab"]
    return ids[:, :-1], ids[:, 1:]


def run(ratio):
    model = Transformer(ratio * C["base"])
    mup.set_base_shapes(model, Transformer(C["base"]), delta=Transformer(2 * C["base"]), rescale_params=False)
    tensors = {}
    decayed, plain = [], []
    for index, (name, p) in enumerate(model.named_parameters()):
        is_norm = "norm" in name
        std = 0.0 if is_norm else library_std(name, p)
        if not is_norm:
            with torch.no_grad():
                # Written [fan_in, fan_out] in the test, [fan_out, fan_in] in PyTorch.
                is_product = "embedding" not in name
                values = std * wave(index, p.numel())
                p.copy_(values.reshape(p.shape[::-1]).T if is_product else values.reshape(p.shape))
        (plain if is_norm else decayed).append(p)
        tensors[our_name(name)] = dict(std=std)
    optimizer = mup.MuAdamW(
        [dict(params=decayed, weight_decay=C["weight_decay"]), dict(params=plain, weight_decay=0.0)],
        lr=HPS["learning_rate"], betas=(C["beta1"], C["beta2"]), eps=C["epsilon"],
    )
    names = {id(p): our_name(name) for name, p in model.named_parameters()}
    for group in optimizer.param_groups:
        for p in group["params"]:
            tensors[names[id(p)]].update(learning_rate=group["lr"], weight_decay=group["weight_decay"])
    losses = []
    for step in range(1, C["steps"] + 1):
        tokens, targets = batch(step)
        logits = model(tokens)
        if step == 1:
            first = [float(f"{x:.9g}") for x in logits.detach().reshape(-1).tolist()]
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, C["vocab"]), targets.reshape(-1))
        losses.append(float(f"{loss.item():.12g}"))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return dict(tensors=tensors, logits=first, losses=losses)


if __name__ == "__main__":
    target = pathlib.Path(__file__).with_name("mup_golden.json")
    result = dict(config=C, hyperparameters=HPS, ratios={str(ratio): run(ratio) for ratio in RATIOS})
    target.write_text(json.dumps(result, separators=(",", ":")) + "\n")
    print(target, target.stat().st_size, "bytes")
