//! Networks, parameters, optimisers and weight interventions on libtorch. No reinforcement learning here.
//!
//! | noun | file | what it is |
//! | --- | --- | --- |
//! | [`Params`](params::Params) | `params/` | ordered, named, typed tensors of one model |
//! | [`Network`](network::Network) | `network.rs`, `arch/` | input to raw outputs, as a function of `&Params` |
//! | [`Model`](model::Model) | `model.rs` | network + params + optimiser + interventions; `minimize` |
//! | [`Optim`](optim::Optim) | `optim/` | one optimiser per file, and schedules |
//! | [`Intervention`](interventions::Intervention) | `interventions/` | hooks around the optimiser step |
//! | [`NeuronGroup`](neurons::NeuronGroup) | `neurons.rs` | hidden units that can be replaced |
//! | [`Trace`](trace::Trace) | `trace.rs` | what one forward pass leaves behind |
//! | [`Registries`](registry::Registries) | `registry/` | parts by name, open to other crates |
//!
//! `unread.rs` refuses settings that do nothing. `layers/`, `init/`, `squashed_gaussian.rs` and `categorical.rs` are the mathematics in between;
//! `diagnostics/` measures how alive a layer is, and how ready to learn.
//!
//! Fit a line:
//!
//! ```
//! use networks::{arch::mlp::MlpConfig, interventions::Clock, model::Model, network::ArchConfig};
//! use networks::{optim::OptimConfig, params::Params, random, trace::Trace};
//!
//! let mut rng = random::stream(1, 0);
//! let mut params = Params::default();
//! let arch: ArchConfig = MlpConfig { hidden: vec![16], ..MlpConfig::default() }.into();
//! let net = arch.build(&mut params, "f", &[1], &[("y", 1)], &mut rng).expect("any shape");
//! let optim = OptimConfig { lr: 0.01, ..OptimConfig::default() };
//! let mut model = Model::new("line", net, params, &optim, &[], tch::Device::Cpu).expect("fits");
//! let x = random::uniform(&[64, 1], -1.0, 1.0, &mut rng); // [B, 1]
//! let mut loss = f64::INFINITY;
//! for _ in 0..300 {
//!     let y = &model.forward(&x)[0];
//!     let error = (y - (&x * 2.0 + 1.0)).square().mean(tch::Kind::Float);
//!     let step = model.minimize(&error, &Trace::off(), &[], Clock::default(), &mut rng);
//!     loss = step.expect("finite").loss;
//! }
//! assert!(loss < 0.01, "{loss}");
//! ```

pub mod arch;
pub mod categorical;
pub mod diagnostics;
pub mod exec;
pub mod forward;
mod fused;
pub mod init;
pub mod interventions;
pub mod layers;
pub mod model;
pub mod network;
pub mod neurons;
pub mod optim;
pub mod params;
pub mod random;
pub mod registry;
pub mod squashed_gaussian;
pub mod trace;
pub mod unread;

pub use fused::{keep_freed_memory, torch_version};
