"""Golden SimbaV2+SAC updates with two critics: writes simbav2_update_cdq.json beside this file.

A vector file of the authors' own JAX code exists for one critic. This writes the same thing for two
("cdq", clipped double Q) from the published description of the update, in float64 with JAX's
automatic differentiation. `--check` proves the script: it recomputes the one-critic case of that
file, the key `single`, from its stored start and noise, and prints how far every result is off.

Made with Python 3.11.7, jax 0.10.2, numpy 2.4.6 on x86-64 Linux, in any directory that is not this
repository:

    python3 -m venv venv
    venv/bin/pip install "jax[cpu]==0.10.2" numpy==2.4.6
    venv/bin/python simbav2_update_cdq.py --check vectors_simbav2_update.json
    venv/bin/python simbav2_update_cdq.py

A network is {embedder: {w, scaler}, blocks: [{w1, scaler, w2, alpha}], head: {...}}. Kernels are
(fan_in, fan_out) with y = x W; scalers are the stored values, before init/scale. Gradients are kept
for the first update, all parameters after the first and the last one. CI does not run this.
"""

import argparse
import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

EPS = 1e-8
# One of the few for which `write` finds no fault.
SEED = 4


# Trees: dicts and lists with arrays or numbers as leaves. JAX sorts the keys of the dicts it
# returns; `tree_map` keeps the order of its first tree, and with it the order in the file.


def tree_map(f, tree, *rest):
    if isinstance(tree, dict):
        return {k: tree_map(f, v, *(r[k] for r in rest)) for k, v in tree.items()}
    if isinstance(tree, list):
        return [tree_map(f, v, *(r[i] for r in rest)) for i, v in enumerate(tree)]
    return f(tree, *rest)


def from_json(x):
    if isinstance(x, dict):
        return {k: from_json(v) for k, v in x.items()}
    if isinstance(x, list) and isinstance(x[0], dict):
        return [from_json(v) for v in x]
    return jnp.asarray(x) if isinstance(x, list) else x


def to_json(tree):
    return tree_map(lambda x: x.tolist() if hasattr(x, "tolist") else x, tree)


# The network.


def l2(x, axis=-1):
    return x / jnp.maximum(jnp.sqrt((x * x).sum(axis, keepdims=True)), EPS)


def project(params):
    """Unit length for the incoming weights of each unit. The kernels are the only matrices."""
    return tree_map(lambda p: l2(p, axis=0) if p.ndim == 2 else p, params)


def trunk(x, net, hp):
    x = l2(jnp.concatenate([x, jnp.full((len(x), 1), hp["c_shift"])], -1))
    # The scalers of the embedder and of the blocks have init == scale, so they multiply as stored.
    x = l2(x @ net["embedder"]["w"] * net["embedder"]["scaler"])
    for block in net["blocks"]:
        # A row of dead units would otherwise be a zero vector, which has no direction.
        u = jax.nn.relu(x @ block["w1"] * block["scaler"]) + EPS
        u = l2(u @ block["w2"])
        x = l2(x + block["alpha"] * (hp["a_init"] / hp["a_scale"]) * (u - x))
    return x


def dense_pair(z, head, prefix):
    w1, scaler, w2, bias = (head[prefix + k] for k in ("w1", "scaler", "w2", "bias"))
    return z @ w1 * scaler @ w2 + bias


def sample_action(actor, hp, obs, eps):
    z = trunk(obs, actor, hp)
    log_std = -10.0 + 6.0 * (1.0 + jnp.tanh(dense_pair(z, actor["head"], "std_")))
    u = dense_pair(z, actor["head"], "mean_") + jnp.exp(log_std) * eps
    normal = -0.5 * eps**2 - log_std - 0.5 * math.log(2 * math.pi)
    # log(1 - tanh(u)^2), from u itself: tanh(u) rounds to one long before u is large.
    squash = 2 * (math.log(2) - u - jax.nn.softplus(-2 * u))
    return jnp.tanh(u), (normal - squash).sum(-1)


def atoms(hp, n):
    return jnp.linspace(hp["vmin"], hp["vmax"], n)


def values(critics, hp, obs, action):
    """Expected values (critic, sample) and log-probabilities (critic, sample, atom)."""
    x = jnp.concatenate([obs, action], -1)
    logits = jnp.stack([dense_pair(trunk(x, c, hp), c["head"], "") for c in critics])
    log_p = jax.nn.log_softmax(logits)
    return (jnp.exp(log_p) * atoms(hp, logits.shape[-1])).sum(-1), log_p


# One update and its parts.


def adam(params, grads, state, lr, hp):
    t = state["t"] + 1
    m = tree_map(lambda m, g: hp["b1"] * m + (1 - hp["b1"]) * g, state["m"], grads)
    v = tree_map(lambda v, g: hp["b2"] * v + (1 - hp["b2"]) * g * g, state["v"], grads)
    c1, c2 = 1 - hp["b1"] ** t, 1 - hp["b2"] ** t
    step = lambda p, m, v: p - lr * (m / c1) / (jnp.sqrt(v / c2) + hp["eps"])
    return tree_map(step, params, m, v), {"t": t, "m": m, "v": v}


def adam_start(params):
    zeros = tree_map(jnp.zeros_like, params)
    return {"t": 0, "m": zeros, "v": zeros}


def bellman(p, tz, hp):
    """Puts the mass `p`, moved to the places `tz`, back on the atoms.

    Mass between two atoms is split by nearness: its share falls linearly from one to zero over the
    distance of one atom. Mass exactly on an atom stays whole, with no special case.
    """
    n = p.shape[-1]
    at = (jnp.clip(tz, hp["vmin"], hp["vmax"]) - hp["vmin"]) * ((n - 1) / (hp["vmax"] - hp["vmin"]))
    share = jax.nn.relu(1 - jnp.abs(at[:, :, None] - jnp.arange(n)))
    return (p[:, :, None] * share).sum(1)


def updates(case, noises, rate=float):
    """Consecutive updates on the one batch of `case`, for one critic or two.

    `rate` is the number type the learning rate is taken in. Returns what the file holds per update
    and, per update, the values between which the actor's and the target's minimum chose.
    """
    hp_a, hp_c, opt, batch = case["hp_actor"], case["hp_critic"], case["adam"], case["batch"]
    obs, next_obs = batch["observation"], batch["next_observation"]
    actor, critics, targets = case["actor0"], case["critics0"], case["targets0"]
    log_temp = jnp.asarray(case["log_temp0"])
    opt_actor, opt_critics, opt_temp = adam_start(actor), adam_start(critics), adam_start(log_temp)
    steps, choices = [], []
    for i, (eps_actor, eps_next) in enumerate(noises):
        # Counted from zero: the first update uses lr_init.
        part = min(i / opt["transition_steps"], 1.0)
        first, last = rate(opt["lr_init"]), rate(opt["lr_end"])
        lr = float(first + (last - first) * rate(part))

        # Actor: against the online critics as they are before their own update.
        temperature = jnp.exp(log_temp)

        def actor_loss(actor):
            action, log_prob = sample_action(actor, hp_a, obs, eps_actor)
            q, _ = values(critics, hp_c, obs, action)
            return (temperature * log_prob - q.min(0)).mean(), (-log_prob.mean(), q)

        (loss_a, (entropy, q)), grad = jax.value_and_grad(actor_loss, has_aux=True)(actor)
        grad_a = tree_map(lambda _, g: g, actor, grad)
        actor, opt_actor = adam(actor, grad_a, opt_actor, lr, opt)
        actor = project(actor)

        # Temperature: the entropy is still the one of the actor before its step.
        temp_loss = lambda log_temp: jnp.exp(log_temp) * (entropy - case["target_entropy"])
        loss_t, grad_t = jax.value_and_grad(temp_loss)(log_temp)
        log_temp, opt_temp = adam(log_temp, grad_t, opt_temp, lr, opt)

        # Critics: the target uses the new actor and the new temperature. Each sample takes the
        # whole distribution of the target critic that expects less; both critics learn it.
        next_action, log_prob = sample_action(actor, hp_a, next_obs, eps_next)
        next_q, next_log_p = values(targets, hp_c, next_obs, next_action)
        p = jnp.exp(next_log_p[next_q.argmin(0), jnp.arange(len(obs))])
        # Truncation does not appear: only a termination ends the sum of rewards.
        discount = case["gamma"] ** case["n_step"] * (1 - batch["terminated"])[:, None]
        soft = atoms(hp_c, p.shape[-1]) - jnp.exp(log_temp) * log_prob[:, None]
        target = bellman(p, batch["reward"][:, None] + discount * soft, hp_c)

        def critic_loss(critics):
            _, log_p = values(critics, hp_c, obs, batch["action"])
            return -(target * log_p).sum(-1).mean(-1).sum()  # over atoms; samples; critics

        loss_c, grad = jax.value_and_grad(critic_loss)(critics)
        grad_c = tree_map(lambda _, g: g, critics, grad)
        critics, opt_critics = adam(critics, grad_c, opt_critics, lr, opt)
        critics = project(critics)

        # Target critics: a plain average, which leaves their kernels a little shorter than one.
        tau = case["tau"]
        targets = tree_map(lambda t, c: tau * c + (1 - tau) * t, targets, critics)

        step = {
            "eps_actor": eps_actor,
            "eps_next": eps_next,
            "actor_loss": loss_a,
            "entropy": entropy,
            "critic_loss": loss_c,
            "temperature_before": temperature,
            "temperature_loss": loss_t,
            "log_temp_after": log_temp,
            "target_probs": target,
        }
        if i == 0:
            step |= {"actor_grad": grad_a, "critic_grads": grad_c}
        if i in (0, len(noises) - 1):
            step |= {"actor_after": actor, "critics_after": critics, "targets_after": targets}
        steps.append(step)
        choices.append({"actor": q, "target": next_q})
    return steps, choices


# The new case.


def new_net(rng, n_in, d, blocks, heads):
    """A network off its initial point, so that no scaler or bias can be left out unnoticed."""
    kernel = lambda n, m: rng.normal(size=(n, m))
    around = lambda n, middle: middle * rng.uniform(0.5, 1.5, n)
    s = math.sqrt(2 / d)
    net = {"embedder": {"w": kernel(n_in + 1, d), "scaler": around(d, s)}, "blocks": []}
    for _ in range(blocks):
        w1, scaler, w2 = kernel(d, 4 * d), around(4 * d, s / 2), kernel(4 * d, d)
        net["blocks"].append(
            {"w1": w1, "scaler": scaler, "w2": w2, "alpha": around(d, 1 / math.sqrt(d))}
        )
    net["head"] = {}
    for prefix, n_out in heads.items():
        parts = kernel(d, d), around(d, 1.0), kernel(d, n_out), 0.1 * rng.normal(size=n_out)
        net["head"] |= {prefix + k: v for k, v in zip(("w1", "scaler", "w2", "bias"), parts)}
    return project(net)


def new_case(seed):
    rng = np.random.default_rng(seed)
    d, n_obs, n_action, n_atoms, n_batch = 8, 3, 2, 11, 6

    def hyper(blocks):
        return {
            "d": d,
            "L": blocks,
            "s": math.sqrt(2 / d),
            "a_init": 1 / (blocks + 1),
            "a_scale": 1 / math.sqrt(d),
            "c_shift": 3.0,
            "vmin": -5.0,
            "vmax": 5.0,
        }

    new_critic = lambda: new_net(rng, n_obs + n_action, d, 2, {"": n_atoms})
    critics, others = [new_critic(), new_critic()], [new_critic(), new_critic()]
    # Near the critics but not equal to them, and with kernels that are not of unit length, as after
    # many averages: a target that gets projected, or mixed up with its critic, shows at once.
    targets = tree_map(lambda c, o: (0.9 * c + 0.1 * o).round(4), critics, others)
    return {
        "hp_actor": hyper(1),
        "hp_critic": hyper(2),
        "gamma": 0.99,
        "n_step": 1,
        "tau": 0.005,
        "target_entropy": -n_action / 2,
        "adam": {
            "lr_init": 0.01,
            "lr_end": 0.005,
            "transition_steps": 4,
            "b1": 0.9,
            "b2": 0.999,
            "eps": 1e-8,
        },
        "use_cdq": True,
        "batch": {
            "observation": 1.5 * rng.normal(size=(n_batch, n_obs)),
            "next_observation": 1.5 * rng.normal(size=(n_batch, n_obs)),
            "action": rng.uniform(-1, 1, (n_batch, n_action)),
            # Ordinary; truncated; mass past the upper end; ordinary; ended exactly on an atom;
            # ended below the lower end.
            "reward": np.array([0.37, -0.81, 4.3, -0.22, 1.0, -6.2]),
            "terminated": np.array([0.0, 0.0, 0.0, 0.0, 1.0, 1.0]),
            "truncated": np.array([0.0, 1.0, 0.0, 0.0, 0.0, 0.0]),
        },
        "actor0": new_net(rng, n_obs, d, 1, {"mean_": n_action, "std_": n_action}),
        "critics0": critics,
        "targets0": targets,
        "log_temp0": math.log(0.01),
        "noises": rng.normal(size=(3, 2, n_batch, n_action)),
    }


def write(path):
    case = new_case(SEED)
    case["steps"], choices = updates(case, case.pop("noises"))
    # Only samples that go on say anything about the target's choice. The margin keeps every choice
    # the same in float32.
    alive = case["batch"]["terminated"] == 0
    for step in choices:
        for q in (step["actor"], step["target"][:, alive]):
            first = q[0] < q[1]
            assert first.any() and not first.all(), "one critic is the lower one everywhere"
            assert jnp.abs(q[0] - q[1]).min() > 0.01, "a choice is too close"
    path.write_text(json.dumps({"cdq": to_json(case)}, separators=(",", ":")) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes")


def check(path):
    case = from_json(json.loads(Path(path).read_text())["single"])
    noises = [(s["eps_actor"], s["eps_next"]) for s in case["steps"]]
    # The stored run took its learning rate in float32, the new case takes it in float64.
    runs = [updates(case, noises, rate)[0] for rate in (np.float32, float)]
    worst = [0.0, 0.0]
    print("largest absolute differences with the learning rate in    float32   float64")
    for i, stored in enumerate(case["steps"]):
        for key in stored:
            row = []
            for run in runs:
                assert list(run[i]) == list(stored), f"update {i} holds other keys"
                diffs = []
                note = lambda a, b: diffs.append(float(jnp.abs(a - b).max()))
                tree_map(note, stored[key], run[i][key])
                row.append(max(diffs))
            worst = [max(pair) for pair in zip(worst, row)]
            print(f"update {i} {key:<46} {row[0]:9.2e} {row[1]:9.2e}")
    print(f"{'all':<55} {worst[0]:9.2e} {worst[1]:9.2e}")
    assert worst[0] < 1e-12


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Golden SimbaV2+SAC updates with two critics.")
    parser.add_argument("--check", metavar="FILE", help="compare with the case `single` of FILE")
    if file := parser.parse_args().check:
        check(file)
    else:
        write(Path(__file__).with_suffix(".json"))
