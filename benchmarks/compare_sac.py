"""Stable-Baselines3's SAC with the settings of configs/sac_mujoco.toml, on a task of Gymnasium or of dm_control.

    python benchmarks/compare_sac.py [HalfCheetah-v5 | dmc/DOMAIN-TASK] [--seed N] [--steps N] [--action-repeat N]

Needs Python with stable-baselines3, gymnasium[mujoco], dm_control and a mujoco that fits it (measured: 2.9.2, 1.0.43, 3.10.0).
Prints the returns of every five episodes of training and the temperature.
"""

import argparse

import gymnasium
import numpy as np
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback


class Task(gymnasium.Env):
    def __init__(self, domain, task, repeat, seed):
        from dm_control import suite

        self.task = suite.load(domain, task, task_kwargs={"random": seed})
        self.repeat = repeat
        size = sum(int(np.prod(spec.shape)) for spec in self.task.observation_spec().values())
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1, 1, self.task.action_spec().shape, np.float32)

    def obs(self, step):
        return np.concatenate([np.ravel(part) for part in step.observation.values()]).astype(np.float32)

    def reset(self, *, seed=None, options=None):
        return self.obs(self.task.reset()), {}

    def step(self, action):
        reward = 0.0
        for _ in range(self.repeat):
            step = self.task.step(action)
            reward += step.reward
            if step.last():
                break
        return self.obs(step), reward, False, step.last(), {}  # its episodes end by the clock


class Returns(BaseCallback):
    def _on_training_start(self):
        self.now, self.done = 0.0, []

    def _on_step(self):
        self.now += float(self.locals["rewards"][0])
        if self.locals["dones"][0]:
            self.done.append(round(self.now))
            self.now = 0.0
            if len(self.done) % 5 == 0:
                alpha = self.model.log_ent_coef.detach().exp().item()
                print(self.num_timesteps, self.done[-5:], f"alpha {alpha:.3g}", flush=True)
        return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("env", nargs="?", default="dmc/pendulum-swingup")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--action-repeat", type=int, default=2, help="of dm_control's tasks")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.env.startswith("dmc/"):
        domain, dash, task = args.env.removeprefix("dmc/").partition("-")
        if not dash:
            parser.error(f"{args.env} names no task: dmc/DOMAIN-TASK, as in dmc/pendulum-swingup")
        env = Task(domain, task, args.action_repeat, args.seed)
    else:
        env = gymnasium.make(args.env)
    # The rest are its defaults: 2x256 networks, three rates of 3e-4, one update a step, gamma 0.99, tau 0.005.
    agent = SAC("MlpPolicy", env, learning_starts=5_000, batch_size=256, seed=args.seed, device="cpu")
    agent.learn(args.steps, callback=Returns())


if __name__ == "__main__":
    main()
