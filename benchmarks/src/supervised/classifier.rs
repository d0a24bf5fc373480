//! Any network of `networks` as a classifier that learns by cross-entropy.

use agents::algorithms::network::NetworkConfig;
use networks::{
    diagnostics::{self, Spectrum, units},
    interventions::Clock,
    model::Model,
    params::Params,
    random::Rng,
    trace::{Activity, Trace},
};
use tch::{Device, Kind, Tensor};

pub(super) struct Classifier {
    model: Model,
    rng: Rng,
    traced: bool,
    updates: u64,
}

impl Classifier {
    /// For inputs of this shape, which come flat.
    pub(super) fn new(
        network: &NetworkConfig,
        input: &[i64],
        classes: i64,
        mut rng: Rng,
    ) -> Result<Self, String> {
        let mut arch = network.arch.clone();
        arch.resolve(1.0);
        let mut p = Params::default();
        let net = arch
            .build(&mut p, "net", input, &[("logits", classes)], &mut rng)
            .map_err(|e| format!("network.arch: {e}"))?;
        let model = Model::new("net", net, p, &network.optim, &network.interventions, Device::Cpu)
            .map_err(|e| format!("network.{e}"))?;
        Ok(Classifier { model, rng, traced: !network.interventions.is_empty(), updates: 0 })
    }

    /// One update on `x` `[B, D]` with classes `[B]`, i64, of `task`; how many were right before it.
    pub(super) fn learn(
        &mut self,
        x: &Tensor,
        classes: &Tensor,
        task: u64,
        seen: u64,
    ) -> Result<i64, String> {
        let mut trace = if self.traced { Trace::on() } else { Trace::off() };
        let logits = &self.model.forward_train(x, &mut trace)[0]; // [B, classes]
        let right = right(logits, classes);
        let loss = logits.cross_entropy_for_logits(classes);
        let (env_step, update, task) = (seen, self.updates, task as usize);
        let clock = Clock { env_step, update, task, log: false, look: false };
        let step = self.model.minimize(&loss, &trace, &[("images", x)], clock, &mut self.rng);
        step.map_err(|e| format!("{e}, after {seen} examples; lower network.optim.lr"))?;
        self.updates += 1;
        Ok(right)
    }

    /// Share of `x` that it gets right now.
    pub(super) fn accuracy(&self, x: &Tensor, classes: &Tensor) -> f64 {
        let logits = tch::no_grad(|| self.model.forward(x));
        right(&logits[0], classes) as f64 / x.size()[0] as f64
    }

    /// Plasticity measures on `probe` `[N, D]`: over all layers of ReLU units the shares that are on for
    /// at most 1 % of it and for none, effective rank of the last hidden layer, mean `|w|` of all weights
    /// but biases, and units replaced since the start.
    pub(super) fn measures(&self, probe: &Tensor) -> Vec<(&'static str, f64)> {
        let trace = tch::no_grad(|| self.model.trace(probe));
        let mut row = Vec::new();
        let (mut n, mut idle, mut dead) = (0.0, 0.0, 0.0);
        for entry in trace.entries().iter().filter(|e| e.activity == Activity::Relu) {
            let width = entry.values.size()[1] as f64;
            n += width;
            idle += width * units::rarely_active_fraction(&entry.values, 0.01);
            dead += width * units::dead_fraction(&entry.values);
        }
        if n > 0.0 {
            row.extend([("stream/idle_units", idle / n), ("stream/dead_units", dead / n)]);
        }
        let features = trace.entries().last().map(|e| units::per_unit(&e.values));
        if let Some(spectrum) = features.and_then(|h| Spectrum::of(&h)) {
            row.push(("stream/effective_rank", spectrum.effective_rank()));
        }
        let weights: Vec<&Tensor> = self
            .model
            .params
            .trainable()
            .filter(|p| p.role.is_weight())
            .map(|p| &p.value)
            .collect();
        row.push((
            "stream/weight_magnitude",
            diagnostics::weights::mean_abs(&diagnostics::flat(&weights)),
        ));
        let replacing =
            self.model.intervention_counts().find(|(kind, _)| ["cbp", "redo"].contains(kind));
        row.extend(replacing.map(|(_, times)| ("stream/replaced_units", times as f64)));
        row
    }
}

/// Rows end where tasks do, and updates where rows do.
pub(super) fn check_sizes(task: u64, row: u64, batch: u64) -> Result<(), String> {
    if !(1..=65_536).contains(&batch) {
        return Err(format!("batch_size is {batch}; it must be between 1 and 65536"));
    }
    for (key, value, of, n) in [
        ("log_every_examples", row, "batch_size", batch),
        ("task_examples", task, "log_every_examples", row),
    ] {
        if value == 0 || !value.is_multiple_of(n) {
            return Err(format!("{key} is {value}; it must be a multiple of {of}, {n}"));
        }
    }
    Ok(())
}

fn right(logits: &Tensor, classes: &Tensor) -> i64 {
    logits.argmax(1, false).eq_tensor(classes).sum(Kind::Int64).int64_value(&[])
}
