//! `[agent.*.optim]`: an optimiser, its learning rate, and how that changes.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::Error as _,
    ser::{Error as _, SerializeMap},
};
use toml::{Table, Value};

use super::{Adam, OptimSettings, Schedule};
use crate::registry::{Named, Part, first_line};

/// What a model's optimiser is made from. `kind` and the keys that belong to it stand beside `lr` and `schedule`.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimConfig {
    /// The update rule with its own keys.
    pub rule: Named<dyn OptimSettings>,
    /// Learning rate.
    pub lr: f64,
    /// Learning-rate schedule.
    pub schedule: Schedule,
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
        OptimConfig { rule: rule.into(), lr, schedule: Schedule::Constant {} }
    }

    /// # Errors
    /// One sentence about the first value that cannot work.
    pub fn validate(&self) -> Result<(), String> {
        if !(self.lr > 0.0 && self.lr.is_finite()) {
            return Err(format!("optim.lr is {}; it must be greater than 0", self.lr));
        }
        self.rule.validate().map_err(|e| format!("optim.{e}"))?;
        self.schedule.validate().map_err(|e| format!("optim.schedule.{e}"))
    }
}

impl Serialize for OptimConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let own = self.rule.table().map_err(S::Error::custom)?;
        let mut map = serializer.serialize_map(Some(own.len() + 3))?;
        map.serialize_entry("kind", self.rule.kind())?;
        map.serialize_entry("lr", &self.lr)?;
        for (key, value) in own {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry("schedule", &self.schedule)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for OptimConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = Table::deserialize(deserializer)?;
        let mut config = OptimConfig::default();
        if let Some(lr) = table.remove("lr") {
            config.lr = lr.try_into().map_err(|e| D::Error::custom(first_line(&e)))?;
        }
        if let Some(schedule) = table.remove("schedule") {
            config.schedule = schedule.try_into().map_err(|e| D::Error::custom(first_line(&e)))?;
        }
        table.entry("kind").or_insert_with(|| Value::from(Adam::KIND));
        config.rule = Named::read(table, &["lr", "schedule"]).map_err(D::Error::custom)?;
        Ok(config)
    }
}
