//! Noise, costs and observations that several environments have.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::suites::mujoco::engine::Data;
use crate::suites::mujoco::numpy;

/// `numpy`'s uniform noise of this scale on top of every number.
pub(super) fn add_uniform(numbers: &mut [f64], scale: f64, rng: &mut ChaCha8Rng) {
    for x in numbers {
        *x += uniform(-scale, scale, rng);
    }
}

/// `numpy`'s normal noise of this scale on top of every number.
pub(super) fn add_normal(numbers: &mut [f64], scale: f64, rng: &mut ChaCha8Rng) {
    for x in numbers {
        *x += scale * rng.sample::<f64, _>(rand_distr::StandardNormal);
    }
}

/// Not `random_range`, which refuses a range of no length: noise may be switched off.
pub(super) fn uniform(low: f64, high: f64, rng: &mut ChaCha8Rng) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

/// Cost of an action as Gymnasium computes it: in `f32`, to which `NumPy` 2 rounds the weight.
pub(super) fn control_cost(action: &[f32], weight: f64) -> f64 {
    f64::from(weight as f32 * numpy::sum(action, |x| x * x))
}

/// Velocities within 10 of zero, as several observations show them.
pub(super) fn clipped_velocities(data: &Data) -> impl Iterator<Item = f64> {
    data.qvel().iter().map(|velocity| velocity.clamp(-10.0, 10.0))
}

/// Between two points.
pub(super) fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    let [x, y, z] = [0, 1, 2].map(|i| a[i] - b[i]);
    (x * x + y * y + z * z).sqrt()
}

/// What both humanoids see. `included`: inertias, velocities, actuator forces and contact forces
/// of bodies.
pub(super) fn humanoid_observation(
    data: &Data,
    exclude_current_positions: bool,
    included: [bool; 4],
) -> impl Iterator<Item = f64> {
    let skipped = if exclude_current_positions { 2 } else { 0 };
    let [cinert, cvel, actuators, contacts] = included;
    let parts: [&[f64]; 6] = [
        &data.qpos()[skipped..],
        data.qvel(),
        if cinert { data.cinert()[1..].as_flattened() } else { &[] },
        if cvel { data.cvel()[1..].as_flattened() } else { &[] },
        // The root has no actuators.
        if actuators { &data.qfrc_actuator()[6..] } else { &[] },
        if contacts { data.cfrc_ext()[1..].as_flattened() } else { &[] },
    ];
    parts.into_iter().flatten().copied()
}
