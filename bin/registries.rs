//! Everything that a program can add to.

use agents::diagnostics::registry::Diagnostics;

/// Start from [`Registries::builtin`], add parts of your own, and hand it to [`run`](crate::run).
pub struct Registries {
    /// Environments, by the name in `env.name`.
    pub envs: envs::Registry,
    /// What a configuration names by `kind`: architectures, norms, optimisers, interventions, ...
    pub parts: networks::registry::Registries,
    /// What is measured of networks while they train.
    pub diagnostics: Diagnostics,
}

impl Registries {
    /// What the stock `supple` has.
    #[must_use]
    pub fn builtin() -> Self {
        envs::Registry::builtin().into()
    }
}

impl From<envs::Registry> for Registries {
    /// Environments of one's own, everything else as in the stock `supple`.
    fn from(envs: envs::Registry) -> Self {
        let parts = networks::registry::Registries::builtin();
        Registries { envs, parts, diagnostics: Diagnostics::builtin() }
    }
}
