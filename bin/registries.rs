//! Everything that a configuration can name and a program can add to.

/// Start from [`Registries::builtin`], add parts of your own, and hand it to [`run`](crate::run).
pub struct Registries {
    /// Environments, by the name in `env.name`.
    pub envs: envs::Registry,
    /// What a configuration names by `kind`: architectures, norms, optimisers, interventions, ...
    pub parts: networks::registry::Registries,
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
        Registries { envs, parts: networks::registry::Registries::builtin() }
    }
}
