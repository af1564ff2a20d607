"""JAX contestant: a stack of models, jit of vmap of a scan over steps; `python jax_peer.py WORK THREADS [tensorfloat32|default]`."""
import os
import sys

import work

if work.BLOCK != "gpt2":
    raise SystemExit(f"this peer has no {work.BLOCK} block")

if sys.argv[2] == "1":
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = work.DEVICE  # left to itself it takes a CPU where it cannot use the GPU
os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.92")  # of the GPU's memory, which it has to itself
import jax
import jax.numpy as jnp

jax.config.update("jax_default_matmul_precision", (sys.argv + ["float32"])[3])  # "default" is JAX's own on the device
width = work.WIDTH
heads, T = width // work.HEAD_DIM, work.CONTEXT
mask = jnp.triu(jnp.full((T, T), -1e9), 1)


def norm(x, gain):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * gain


def loss_of(p, x, y):
    B = x.shape[0]
    h = p["token"][x] + p["position"]
    for l in range(work.LAYERS):
        n = norm(h, p[f"norm1.{l}"])
        qkv = n @ jnp.concatenate([p[f"{part}.{l}"] for part in "qkv"], axis=1)
        q, k, v = qkv.reshape(B, T, 3, heads, work.HEAD_DIM).transpose(2, 0, 3, 1, 4)
        a = jax.nn.softmax(q @ k.swapaxes(-1, -2) * work.HEAD_DIM**-0.5 + mask, -1) @ v
        h = h + a.transpose(0, 2, 1, 3).reshape(B, T, width) @ p[f"out.{l}"]
        h = h + jax.nn.gelu(norm(h, p[f"norm2.{l}"]) @ p[f"up.{l}"]) @ p[f"down.{l}"]
    logp = jax.nn.log_softmax(norm(h, p["norm"]) @ p["readout"], -1)
    return -jnp.take_along_axis(logp, y[..., None], -1).mean()


def step(state, xy):
    p, m, v, t = state
    loss, g = jax.value_and_grad(loss_of)(p, *xy)
    t = t + 1
    m = jax.tree.map(lambda m, g: work.BETA1 * m + (1 - work.BETA1) * g, m, g)
    v = jax.tree.map(lambda v, g: work.BETA2 * v + (1 - work.BETA2) * g * g, v, g)
    c1, c2 = 1 - work.BETA1**t, 1 - work.BETA2**t
    p = jax.tree.map(lambda p, m, v: p - work.LEARNING_RATE * (m / c1) / (jnp.sqrt(v / c2) + work.EPSILON), p, m, v)
    return (p, m, v, t), loss


def train(state, xs, ys):
    return jax.lax.scan(step, state, (xs, ys))


if work.STACK > 1:
    train = jax.vmap(train, in_axes=(0, None, None))
run = jax.jit(train, donate_argnums=0)
weights = jax.tree.map(jnp.asarray, work.weights())
state = (weights, jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.zeros_like, weights), jnp.float32(0))
if work.STACK > 1:
    state = jax.tree.map(lambda x: jnp.repeat(x[None], work.STACK, 0), state)
state, losses = run(state, *work.batches(work.CHECKED_STEPS))
xs, ys = (jnp.asarray(part) for part in work.batches(work.CALL_STEPS))


def call():
    global state
    state, last = run(state, xs, ys)
    last.block_until_ready()


work.serve(losses[0] if work.STACK > 1 else losses, call, work.STACK)
