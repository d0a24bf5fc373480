//! Networks that look at pictures.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use networks::{
    arch::{conv::ConvConfig, mlp::MlpConfig},
    layers::activation::Tanh,
    network::{ArchConfig, Network},
    params::Params,
    random,
};
use tch::{Kind, Tensor};

pub(crate) fn host(t: &Tensor) -> Vec<f64> {
    Vec::try_from(&t.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

pub(crate) fn linear_body() -> ArchConfig {
    ArchConfig::from(MlpConfig { hidden: vec![], ..MlpConfig::default() })
}

pub(crate) fn small_body() -> ArchConfig {
    let config = MlpConfig { hidden: vec![6], activation: Tanh {}.into(), ..MlpConfig::default() };
    ArchConfig::from(config)
}

pub(crate) fn build(
    config: &ConvConfig,
    input: &[i64],
) -> Result<(Arc<dyn Network>, Params), String> {
    let mut p = Params::default();
    let arch = ArchConfig::from(config.clone());
    let net = arch.build(&mut p, "q", input, &[("y", 3)], &mut random::stream(1, 0))?;
    Ok((net, p))
}
