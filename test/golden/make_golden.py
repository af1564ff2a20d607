"""Makes golden.json: an independent PyTorch implementation of the model, its μP scales, AdamW and Muon.

Run:  pip install torch==2.13.0 transformers==5.24.0 numpy==2.4.6 && python test/golden/make_golden.py
Everything is float64 on the CPU, so that the numbers are right to far more digits than a float32 engine has.
Weights and tokens come from formulas that the tests repeat, so only results are stored.
Per case: logits of one batch, the gradient of every parameter by name (not clipped, of the loss with its z-loss), and
ten losses of training (cross-entropy alone).

Each run first proves this implementation against others', and fails if they differ: the logits of a Llama-like and of a
Qwen3-like model against transformers' LlamaForCausalLM and Qwen3ForCausalLM, and Muon's updates against torch.optim.Muon,
with the float32 and bfloat16 casts inside them turned into float64: they agree to 1e-10. With its bfloat16 left in,
torch.optim.Muon's direction still has a cosine over 0.98 (five steps amplify the rounding of small singular values).
"""
import contextlib
import json
import math
import pathlib
from unittest import mock

import torch
import transformers

torch.set_default_dtype(torch.float64)

COMMON = dict(layers=2, head_dim=4, context=7, batch=3, vocab=11, mlp_ratio=2, beta1=0.9, beta2=0.95, epsilon=1e-3, weight_decay=0.1, steps=10, warmup=0.2, final=0.1)
HPS = dict(learning_rate=0.02, init_std=0.8, embedding_std=0.5, input_multiplier=1.5, output_multiplier=3.0, attention_multiplier=0.7)
MODERN = dict(norm="rms_norm", rope_theta=10000, mlp="swiglu", queries_per_kv=2)
MUON = dict(optimizer="muon", momentum=0.95)
CASES = {
    "sp": dict(COMMON, parametrization="sp", base=12, width=12, biases=False),
    "mup": dict(COMMON, parametrization="mup", base=4, width=12, biases=False),
    "mup_biases": dict(COMMON, parametrization="mup", base=8, width=16, biases=True),
    "completep": dict(COMMON, parametrization="completep", base=4, width=12, biases=False, layers=4, base_layers=1),
    "completep_biases": dict(COMMON, parametrization="completep", base=8, width=16, biases=True, base_layers=1),
    "sp_wide_biases": dict(COMMON, parametrization="sp", base=8, width=16, biases=True),
    "llama": dict(COMMON, parametrization="mup", base=8, width=16, biases=False, **MODERN),
    "qwen3_muon": dict(COMMON, parametrization="mup", base=8, width=16, biases=False, **MODERN, qk_norm=True, tied=True, **MUON, clip=0.5, z_loss=1e-3),
    "relu2_rope_biases": dict(COMMON, parametrization="mup", base=4, width=12, biases=True, rope_theta=10000, mlp="relu2", queries_per_kv=1, clip=0.3, z_loss=0.01),
    "muon_completep": dict(COMMON, parametrization="completep", base=4, width=12, biases=False, base_layers=1, **MUON),
    "qk_norm_learned": dict(COMMON, parametrization="sp", base=12, width=12, biases=False, qk_norm=True, queries_per_kv=3),
    "tied_sp": dict(COMMON, parametrization="sp", base=12, width=12, biases=False, tied=True),
}
LOUD = dict(HPS, output_multiplier=6.0)  # Divided by m it is as large as without μP, so that there is a loss to bring down.
CASE_HPS = {
    "llama": LOUD,
    "qwen3_muon": dict(LOUD, muon_learning_rate=0.05, embedding_learning_rate=2.0, norm_learning_rate=0.5),
    "relu2_rope_biases": LOUD,
    "muon_completep": dict(LOUD, muon_learning_rate=0.05),
}


def filled(shape, index, gain):
    n = math.prod(shape)
    i = torch.arange(n)
    wave = torch.sin(0.37 * (index + 1) + 1.3 * i + 0.0021 * i * i)
    return ((1.0 + 0.2 * wave) if gain else 0.35 * wave).reshape(shape)


def parameters(c):
    """Name → (role, tensor), weights stored [fan_in, fan_out]."""
    C, F, V, T = c["width"], c["mlp_ratio"] * c["width"], c["vocab"], c["context"]
    shapes = {"token_embedding": ("embedding", (V, C))}
    if "rope_theta" not in c:
        shapes["position_embedding"] = ("embedding", (T, C))

    def norm(name):
        shapes[f"{name}.gain"] = ("norm", (C,))
        if c["biases"] and c.get("norm") != "rms_norm":
            shapes[f"{name}.bias"] = ("bias", (C,))

    def linear(name, a, b):
        shapes[f"{name}.weight"] = ("hidden", (a, b))
        if c["biases"]:
            shapes[f"{name}.bias"] = ("bias", (b,))

    for l in range(c["layers"]):
        norm(f"blocks.{l}.attention.norm")
        for part in ("query", "key", "value"):
            linear(f"blocks.{l}.attention.{part}", C, C if part == "query" else C // c.get("queries_per_kv", 1))
        for part in ("query", "key") if c.get("qk_norm") else ():
            shapes[f"blocks.{l}.attention.{part}_norm.gain"] = ("head_norm", (c["head_dim"],))
        linear(f"blocks.{l}.attention.output", C, C)
        norm(f"blocks.{l}.mlp.norm")
        if c.get("mlp") == "swiglu":
            linear(f"blocks.{l}.mlp.gate", C, F)
        linear(f"blocks.{l}.mlp.up", C, F)
        linear(f"blocks.{l}.mlp.down", F, C)
    norm("final_norm")
    if not c.get("tied"):
        shapes["readout.weight"] = ("readout", (C, V))
    return {name: (role, filled(shape, i, role in ("norm", "head_norm")).requires_grad_()) for i, (name, (role, shape)) in enumerate(shapes.items())}


def width_multiplier(c):
    return 1.0 if c["parametrization"] == "sp" else c["width"] / c["base"]


def depth_multiplier(c):
    return c["layers"] / c["base_layers"] if c["parametrization"] == "completep" else 1.0


def rotated(x, theta):
    """Turns the plane of coordinates (j, j + D/2) at position t by t θ^(-2j/D), as a product of complex numbers."""
    T, D = x.shape[-2:]
    angle = torch.arange(T)[:, None] * theta ** (-2.0 * torch.arange(D // 2) / D)
    z = torch.complex(x[..., : D // 2], x[..., D // 2 :]) * torch.polar(torch.ones_like(angle), angle)
    return torch.cat([z.real, z.imag], dim=-1)


def forward(p, c, h, tokens):
    C, D, T = c["width"], c["head_dim"], c["context"]
    B = tokens.shape[0]
    m = width_multiplier(c)
    residual = 1.0 / depth_multiplier(c)
    w = {name: tensor for name, (_, tensor) in p.items()}

    def rms_norm(name, x):
        return x / torch.sqrt(x.square().mean(-1, keepdim=True) + 1e-5) * w[f"{name}.gain"]

    def norm(name, x):
        if c.get("norm") == "rms_norm":
            return rms_norm(name, x)
        return torch.nn.functional.layer_norm(x, (C,), w[f"{name}.gain"], w.get(f"{name}.bias"), eps=1e-5)

    def linear(name, x):
        y = x @ w[f"{name}.weight"]
        return y + w[f"{name}.bias"] if c["biases"] else y

    def heads(part, x):
        y = linear(f"blocks.{l}.attention.{part}", x).view(B, T, -1, D).transpose(1, 2)
        if part != "value" and c.get("qk_norm"):
            y = rms_norm(f"blocks.{l}.attention.{part}_norm", y)
        if part != "value" and "rope_theta" in c:
            y = rotated(y, c["rope_theta"])
        return y if part == "query" else y.repeat_interleave(c.get("queries_per_kv", 1), dim=1)

    def mlp(name, x):
        up = linear(f"{name}.up", x)
        if c.get("mlp") == "swiglu":
            inner = torch.nn.functional.silu(linear(f"{name}.gate", x)) * up
        elif c.get("mlp") == "relu2":
            inner = torch.relu(up).square()
        else:
            inner = torch.nn.functional.gelu(up, approximate="tanh")
        return linear(f"{name}.down", inner)

    x = w["token_embedding"][tokens]
    x = h["input_multiplier"] * (x if "rope_theta" in c else x + w["position_embedding"])
    scale = h["attention_multiplier"] / math.sqrt(D)
    for l in range(c["layers"]):
        y = norm(f"blocks.{l}.attention.norm", x)
        q, k, v = (heads(part, y) for part in ("query", "key", "value"))
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
        x = x + residual * linear(f"blocks.{l}.attention.output", y.transpose(1, 2).reshape(B, T, C))
        x = x + residual * mlp(f"blocks.{l}.mlp", norm(f"blocks.{l}.mlp.norm", x))
    readout = w["token_embedding"].T if c.get("tied") else w["readout.weight"]
    return (h["output_multiplier"] / m) * (norm("final_norm", x) @ readout)


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


def by_muon(c, role):
    return c.get("optimizer") == "muon" and role == "hidden"


def groups(p, c, h):
    """AdamW's groups by role: the rules of Table 8, and CompleteP's for depth with a = 1, written out by hand."""
    m, depth = width_multiplier(c), depth_multiplier(c)
    for name, (role, tensor) in p.items():
        if by_muon(c, role):
            continue
        hidden, gain = role == "hidden", role in ("norm", "head_norm")
        lr = h["learning_rate"] / m if hidden else h["learning_rate"]
        if role == "embedding":
            lr *= h.get("embedding_learning_rate", 1.0)
        if gain:
            lr *= h.get("norm_learning_rate", 1.0)
        decay = 0.0 if gain or role == "bias" else c["weight_decay"] * (m if hidden else 1.0)
        eps = c["epsilon"] / (1.0 if role == "head_norm" else m) / (depth if name.startswith("blocks.") else 1.0)
        yield dict(params=[tensor], lr=lr, weight_decay=decay, eps=eps)


def orthogonalized(u):
    """Muon's five Newton–Schulz steps: nearly U Vᵀ of u = U S Vᵀ."""
    x = u / (u.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if tall else x


@torch.no_grad()
def muon_step(w, buffer, c, lr):
    """One Muon update of w [fan_in, fan_out], with Nesterov momentum; decay is decoupled and lr has no width factor."""
    buffer.mul_(c["momentum"]).add_(w.grad)
    w.mul_(1 - lr * c["weight_decay"])
    w.sub_(lr * math.sqrt(w.shape[1] / w.shape[0]) * orthogonalized(w.grad + c["momentum"] * buffer))


def run(c, h):
    p = parameters(c)

    def loss_of(step):
        """Logits, cross-entropy, and what is minimized: cross-entropy with the z-loss."""
        tokens, targets = batch(c, step)
        logits = forward(p, c, h, tokens)
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, c["vocab"]), targets.reshape(-1))
        return logits, loss, loss + c["z_loss"] * logits.logsumexp(-1).square().mean() if "z_loss" in c else loss

    logits, _, objective = loss_of(1)
    objective.backward()
    flat = lambda t: [float(f"{x:.9g}") for x in t.detach().reshape(-1).tolist()]
    result = dict(config=c, hyperparameters=h, logits=flat(logits), gradients={name: flat(t.grad) for name, (_, t) in p.items()})
    optimizer = torch.optim.AdamW(list(groups(p, c, h)), betas=(c["beta1"], c["beta2"]))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: factor(c, done + 1))
    muon = [(t, torch.zeros_like(t)) for role, t in p.values() if by_muon(c, role)]
    losses = []
    for step in range(1, c["steps"] + 1):
        for _, t in p.values():
            t.grad = None
        _, loss, objective = loss_of(step)
        losses.append(float(f"{loss.item():.12g}"))
        objective.backward()
        if "clip" in c:
            torch.nn.utils.clip_grad_norm_([t for _, t in p.values()], c["clip"])
        optimizer.step()
        for t, buffer in muon:
            muon_step(t, buffer, c, factor(c, step) * h["muon_learning_rate"])
        schedule.step()
    assert all(map(math.isfinite, losses)), losses
    return dict(result, losses=losses)


@contextlib.contextmanager
def all_float64():
    """Others' code casts to float32 or bfloat16 inside, whatever its input: here these casts give float64, so that formulas are compared and not rounding."""
    double = torch.Tensor.double
    with mock.patch.multiple(torch, float=torch.float64, float32=torch.float64), mock.patch.multiple(torch.Tensor, float=double, bfloat16=double):
        yield


def transformers_difference(kind, c):
    """Largest difference between our logits and those of transformers' model with the same weights; every multiplier is 1."""
    p = parameters(c)
    sizes = dict(vocab_size=c["vocab"], hidden_size=c["width"], intermediate_size=c["mlp_ratio"] * c["width"], num_hidden_layers=c["layers"], max_position_embeddings=c["context"])
    attention = dict(num_attention_heads=c["width"] // c["head_dim"], num_key_value_heads=c["width"] // c["head_dim"] // c["queries_per_kv"], head_dim=c["head_dim"], attention_bias=False)
    rope = dict(rope_parameters=dict(rope_type="default", rope_theta=float(c["rope_theta"])))
    config = getattr(transformers, f"{kind}Config")(**sizes, **attention, **rope, rms_norm_eps=1e-5, tie_word_embeddings=c.get("tied", False), attn_implementation="eager")
    names = {"token_embedding": "model.embed_tokens.weight", "final_norm": "model.norm", "readout": "lm_head", "blocks": "model.layers", "attention.norm": "input_layernorm", "mlp.norm": "post_attention_layernorm"}
    names |= {"attention.query_norm": "self_attn.q_norm", "attention.key_norm": "self_attn.k_norm", "gain": "weight"}
    names |= {f"attention.{part}": f"self_attn.{part[0]}_proj" for part in ("query", "key", "value", "output")} | {f"mlp.{part}": f"mlp.{part}_proj" for part in ("gate", "up", "down")}
    state = {}
    for name, (role, t) in p.items():
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        state[name] = t.detach().T if role in ("hidden", "readout") else t.detach()
    if c.get("tied"):
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    tokens, _ = batch(c, 1)
    ones = dict(input_multiplier=1.0, output_multiplier=1.0, attention_multiplier=1.0)
    with all_float64(), torch.no_grad():
        model = getattr(transformers, f"{kind}ForCausalLM")(config).double().eval()
        model.load_state_dict(state, strict=True)
        return (model(input_ids=tokens).logits - forward(p, c, ones, tokens)).abs().max().item()


def muon_difference(shape, exact):
    """Over three steps: largest difference between our X and torch.optim.Muon's, and the smallest cosine; its adjusted learning rate is undone.

    Gradients are large, since theirs has 1e-7 as the least norm and not as a summand.
    """
    c, lr = dict(momentum=0.95, weight_decay=0.1), 0.05
    ours, buffer = filled(shape, 3, False), torch.zeros(shape)
    theirs = torch.nn.Parameter(ours.T.clone())
    optimizer = torch.optim.Muon([theirs], lr=lr, weight_decay=c["weight_decay"], momentum=c["momentum"], adjust_lr_fn="original")
    fan_in, fan_out = shape
    difference, cosine = 0.0, 1.0
    for step in range(3):
        before = [ours.clone(), theirs.detach().T.clone()]
        ours.grad = 1e6 * filled(shape, 10 + step, False)
        theirs.grad = ours.grad.T.clone()
        muon_step(ours, buffer, c, lr)
        with all_float64() if exact else contextlib.nullcontext():
            optimizer.step()
        scales = [math.sqrt(fan_out / fan_in), math.sqrt(max(1.0, fan_out / fan_in))]
        a, b = ((was * (1 - lr * c["weight_decay"]) - now) / (lr * scale) for was, now, scale in zip(before, [ours, theirs.detach().T], scales))
        difference = max(difference, (a - b).abs().max().item())
        cosine = min(cosine, (torch.sum(a * b) / a.norm() / b.norm()).item())
    return difference, cosine


def prove():
    for kind, case in (("Llama", "llama"), ("Qwen3", "qwen3_muon")):
        difference = transformers_difference(kind, dict(CASES[case], parametrization="sp"))
        print(f"{kind}ForCausalLM: logits differ by at most {difference:.2g}")
        assert difference < 1e-10
    for shape in ((16, 16), (16, 32), (32, 16), (16, 8)):
        difference, _ = muon_difference(shape, exact=True)
        rounded, cosine = muon_difference(shape, exact=False)
        print(f"torch.optim.Muon {shape}: X differs by at most {difference:.2g}; in its own bfloat16 {rounded:.2g}, cosine {cosine:.6f}")
        assert difference < 1e-10 and cosine > 0.98


if __name__ == "__main__":
    prove()
    target = pathlib.Path(__file__).with_name("golden.json")
    target.write_text(json.dumps({name: run(c, CASE_HPS.get(name, HPS)) for name, c in CASES.items()}, separators=(",", ":")) + "\n")
    print(target, target.stat().st_size, "bytes")
