//! The numbers that every run logs; diagnostics describe their own.

use super::descriptor::{
    Descriptor,
    Line::All,
    When::{Checkpoint, Episode, Evaluation, Task, Update},
};

/// In the order of the documentation.
pub const METRICS: &[Descriptor] = &[
    Descriptor::new(
        "train/episode_return",
        Episode,
        "return",
        "Undiscounted return of the exploring policy.",
    )
    .charts(&[All("Return")]),
    Descriptor::new("train/episode_length", Episode, "steps", "Its length."),
    Descriptor::new(
        "task/index",
        Task,
        "index",
        "Which task the newest step was taken in, from 0.",
    )
    .charts(&[All("Task")]),
    Descriptor::new(
        "loss/MODEL",
        Update,
        "loss",
        "The loss before the step, the terms of interventions included.",
    )
    .charts(&[All("Loss")]),
    Descriptor::new(
        "loss/MODEL/KIND",
        Update,
        "loss",
        "The term that an intervention added to it, by its kind.",
    )
    .charts(&[All("Loss")]),
    Descriptor::new("lr/MODEL", Update, "rate", "Learning rate of the step, after the schedule.")
        .charts(&[All("Learning rate")]),
    Descriptor::new(
        "grad_norm/MODEL",
        Update,
        "2-norm",
        "2-norm of all gradients before any intervention changed them.",
    )
    .charts(&[All("Gradient norm")]),
    Descriptor::new("q/mean", Update, "return", "Mean value of the batch's actions.")
        .charts(&[All("Value")]),
    Descriptor::new("q/target", Update, "return", "Mean target value.").charts(&[All("Value")]),
    Descriptor::new(
        "q/boundary_mass",
        Update,
        "probability",
        "Categorical values: mean mass of the target in the two outermost bins. Where it is large, returns are clipped.",
    ),
    Descriptor::new(
        "normalize/reward_denominator",
        Update,
        "reward",
        "Scaled rewards: what they are divided by.",
    ),
    Descriptor::new(
        "normalize/largest_return",
        Update,
        "return",
        "Scaled rewards: the largest discounted return so far, unscaled.",
    ),
    Descriptor::new("policy/alpha", Update, "temperature", "SAC: the temperature.")
        .charts(&[All("Policy")]),
    Descriptor::new(
        "policy/std",
        Update,
        "action",
        "SAC: mean standard deviation of the Gaussian before tanh.",
    )
    .charts(&[All("Policy")]),
    Descriptor::new(
        "policy/entropy",
        Update,
        "nats",
        "SAC: estimated entropy of the policy on the batch.",
    )
    .charts(&[All("Policy")]),
    Descriptor::new("policy/epsilon", Update, "probability", "DQN: probability of a random action.")
        .charts(&[All("Policy")]),
    Descriptor::new(
        "eval/return_mean",
        Evaluation,
        "return",
        "Mean undiscounted return of the greedy episodes.",
    )
    .charts(&[All("Return")]),
    Descriptor::new(
        "eval/return_std",
        Evaluation,
        "return",
        "Their standard deviation (population, as `numpy.std`).",
    ),
    Descriptor::new("eval/episode_length", Evaluation, "steps", "Their mean length."),
    Descriptor::new(
        "eval/task_J/return_mean",
        Evaluation,
        "return",
        "`eval/return_mean` with environments at entry J of `eval.step_offsets`, counted from 0.",
    ),
    Descriptor::new(
        "q/bias",
        Evaluation,
        "return",
        "How far the value of the first states lies above the discounted return of their greedy episodes, on average. \
         Episodes cut off by a time limit continue with the value of where they were; SAC: the entropy bonus in its \
         values is taken to be the same at every step.",
    )
    .charts(&[All("Value above what greedy episodes got")]),
    Descriptor::new(
        "q/bias_normalized",
        Evaluation,
        "ratio",
        "`q/bias` over the size of the mean return, where that is not 0.",
    )
    .source("Chen et al. 2021, arXiv 2101.05982"),
    Descriptor::new(
        "time/steps_per_s",
        Checkpoint,
        "1/s",
        "Environment steps per second of this process so far.",
    )
    .charts(&[All("Speed")]),
    Descriptor::new(
        "time/updates_per_s",
        Checkpoint,
        "1/s",
        "Gradient updates per second of this process so far.",
    )
    .charts(&[All("Speed")]),
];
