//! Networks that nothing learns.

use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use crate::{
    exec::fused_cpu::{Program, ProgramBuilder},
    forward::Forward,
    network::Network,
    params::Params,
    trace::Trace,
};

/// A network with values of its own that nothing learns: a target, or an actor's copy.
pub struct FrozenNetwork {
    pub(super) net: Arc<dyn Network>,
    /// The values.
    pub params: Params,
}

impl FrozenNetwork {
    /// The same with reparametrised weights as plain ones, for a copy that only [`Params::load_flat`] changes.
    #[must_use]
    pub fn folded(mut self) -> FrozenNetwork {
        self.params.fold();
        self
    }

    /// `[B, input]` to raw outputs.
    pub fn forward(&self, x: &Tensor) -> Vec<Tensor> {
        self.net.forward(&mut Forward::eval(&self.params, &mut Trace::off()), x)
    }

    /// As [`Model::program`](super::Model::program).
    ///
    /// # Errors
    /// As [`Model::program`](super::Model::program).
    pub fn program(&self, input: usize) -> Result<Program, String> {
        program(self.net.as_ref(), &self.params, input)
    }

    /// The same on `device`.
    #[must_use]
    pub fn to_device(self, device: Device) -> FrozenNetwork {
        FrozenNetwork { net: self.net, params: self.params.to_device(device) }
    }

    /// The same in `kind`.
    #[must_use]
    pub fn to_kind(self, kind: Kind) -> FrozenNetwork {
        FrozenNetwork { net: self.net, params: self.params.to_kind(kind) }
    }
}

/// A network as operations on buffers.
pub(super) fn program(net: &dyn Network, params: &Params, input: usize) -> Result<Program, String> {
    if params.iter().any(|(_, p)| p.value.device() != Device::Cpu) {
        return Err("it runs on the CPU only".to_owned());
    }
    let (mut builder, x) = ProgramBuilder::new(params, input);
    let outputs = net.program(&mut builder, x)?;
    Ok(builder.finish(outputs))
}
