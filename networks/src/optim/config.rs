//! `[agent.*.optim]`: an optimiser, its learning rate, and how that changes.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _},
};
use toml::{Table, Value};

use super::{Adam, Group, OptimSettings, Schedule, group};
use crate::registry::{Named, Part, first_line, read_table};

/// The keys that every optimiser has.
const KEYS: [&str; 4] = ["lr", "clip_grad_norm", "schedule", "groups"];

/// What a model's optimiser is made from. `kind` and the keys that belong to it stand beside those of all.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimConfig {
    /// The update rule with its own keys.
    pub rule: Named<dyn OptimSettings>,
    /// Learning rate.
    pub lr: f64,
    /// Learning-rate schedule.
    pub schedule: Schedule,
    /// The largest joint norm of all gradients, which larger ones are scaled to before a step.
    pub clip_grad_norm: Option<f64>,
    /// Parameters with a rate or weight decay of their own.
    pub groups: Vec<Group>,
}

impl Default for OptimConfig {
    /// PyTorch's Adam but for `lr`, which is 3e-4 (SAC, arXiv 1812.05905, Table 1).
    fn default() -> Self {
        OptimConfig::new(Adam::default(), 3e-4)
    }
}

impl OptimConfig {
    /// With a constant learning rate.
    pub fn new(rule: impl Into<Named<dyn OptimSettings>>, lr: f64) -> Self {
        OptimConfig {
            rule: rule.into(),
            lr,
            schedule: Schedule::Constant {},
            clip_grad_norm: None,
            groups: Vec::new(),
        }
    }

    /// # Errors
    /// One sentence about the first value that cannot work.
    pub fn validate(&self) -> Result<(), String> {
        if !(self.lr > 0.0 && self.lr.is_finite()) {
            return Err(format!("optim.lr is {}; it must be greater than 0", self.lr));
        }
        self.rule.validate().map_err(|e| format!("optim.{e}"))?;
        if let Some(norm) = self.clip_grad_norm.filter(|norm| norm.is_nan() || *norm <= 0.0) {
            return Err(format!("optim.clip_grad_norm is {norm}; it must be greater than 0"));
        }
        let weight_decay = self.rule.weight_decay();
        group::check(&self.groups, weight_decay).map_err(|e| format!("optim.{e}"))?;
        self.schedule.validate().map_err(|e| format!("optim.schedule.{e}"))
    }
}

impl Serialize for OptimConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Whole<'a, K> {
            kind: &'a str,
            lr: f64,
            #[serde(flatten)]
            own: K,
            clip_grad_norm: Option<f64>,
            schedule: &'a Schedule,
            groups: &'a [Group],
        }
        let OptimConfig { rule, lr, schedule, clip_grad_norm, groups } = self;
        let (kind, lr, own, clip_grad_norm) = (rule.kind(), *lr, rule.keys(), *clip_grad_norm);
        Whole { kind, lr, own, clip_grad_norm, schedule, groups }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for OptimConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = read_table(deserializer)?;
        let mut config = OptimConfig::default();
        take(&mut table, "lr", &mut config.lr).map_err(D::Error::custom)?;
        take(&mut table, "schedule", &mut config.schedule).map_err(D::Error::custom)?;
        take(&mut table, "clip_grad_norm", &mut config.clip_grad_norm).map_err(D::Error::custom)?;
        take(&mut table, "groups", &mut config.groups).map_err(D::Error::custom)?;
        table.entry("kind").or_insert_with(|| Value::from(Adam::KIND));
        config.rule = Named::read(table, &KEYS).map_err(D::Error::custom)?;
        Ok(config)
    }
}

/// Moves the value under `key`, if there is one, into `into`.
fn take<T: DeserializeOwned>(table: &mut Table, key: &str, into: &mut T) -> Result<(), String> {
    if let Some(value) = table.remove(key) {
        *into = value.try_into().map_err(|e| first_line(&e))?;
    }
    Ok(())
}
