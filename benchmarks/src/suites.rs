//! The grids that come with Supple: the files of `configs/bench/`.

/// Name and file of each suite.
pub const SUITES: &[(&str, &str)] = &[
    ("control/acrobot-drift", include_str!("../../configs/bench/control/acrobot-drift.toml")),
    ("control/cartpole-drift", include_str!("../../configs/bench/control/cartpole-drift.toml")),
    (
        "control/continual-gym-acrobot",
        include_str!("../../configs/bench/control/continual-gym-acrobot.toml"),
    ),
    (
        "control/continual-gym-mountain-car",
        include_str!("../../configs/bench/control/continual-gym-mountain-car.toml"),
    ),
    ("control/continual-gym", include_str!("../../configs/bench/control/continual-gym.toml")),
    ("control/pendulum-drift", include_str!("../../configs/bench/control/pendulum-drift.toml")),
    ("dmc/sequence", include_str!("../../configs/bench/dmc/sequence.toml")),
    ("forager/two-biome", include_str!("../../configs/bench/forager/two-biome.toml")),
    ("minatar/continual", include_str!("../../configs/bench/minatar/continual.toml")),
    ("minatar/sequence", include_str!("../../configs/bench/minatar/sequence.toml")),
    ("mujoco/halfcheetah-drift", include_str!("../../configs/bench/mujoco/halfcheetah-drift.toml")),
    ("mujoco/slippery-ant", include_str!("../../configs/bench/mujoco/slippery-ant.toml")),
    (
        "plasticity/bit-flipping-one",
        include_str!("../../configs/bench/plasticity/bit-flipping-one.toml"),
    ),
    ("plasticity/bit-flipping", include_str!("../../configs/bench/plasticity/bit-flipping.toml")),
    (
        "plasticity/permuted-inputs",
        include_str!("../../configs/bench/plasticity/permuted-inputs.toml"),
    ),
    ("plasticity/random-labels", include_str!("../../configs/bench/plasticity/random-labels.toml")),
];

/// The file of the suite with this name.
pub fn find(name: &str) -> Option<&'static str> {
    SUITES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
