//! Losses that are not finite: the run ends with the culprit's name and its batch, and the last good checkpoint
//! stays.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use std::fs;

use agents::{error::Error, storage::tensor_file::TensorFile};
use envs::{Action, ActionSpace, Env, EnvError, EnvSpec, Registry, Step};
use harness::{Run, config, within};

/// Observations of zero; rewards of 1 and, from this environment's step 57 on, of 3e38, so that the sum of two is
/// infinite.
struct Spike {
    continuous: bool,
    steps: u32,
}

impl Env for Spike {
    fn spec(&self) -> EnvSpec {
        let action =
            if self.continuous { ActionSpace::symmetric(1) } else { ActionSpace::Discrete(2) };
        EnvSpec::vector(2, action)
    }

    fn reset(&mut self, _seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        obs.fill(0.5);
        Ok(())
    }

    fn step(&mut self, _action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        obs.fill(0.5);
        self.steps += 1;
        let reward = if self.steps < 57 { 1.0 } else { 3e38 };
        Ok(Step { reward, terminated: false, truncated: self.steps.is_multiple_of(20) })
    }
}

/// Trains on [`Spike`] until it fails, and checks what is left: the checkpoint of step 96, and the
/// batch.
fn diverges(agent: &str, n_step: usize, wanted: &'static str) {
    let continuous = agent == "sac";
    let config = config(&format!(
        "total_steps = 400
        env.name = 'spike'
        runtime = {{ actors = 2, sync_every = 4, update_to_data = 0.1, torch_threads = 1 }}
        replay = {{ capacity = 400, batch_size = 64, learning_starts = 32, n_step = {n_step} }}
        eval.episodes = 0
        checkpoint.every_steps = 48
        [agent]
        kind = '{agent}'"
    ));
    within(60, move || {
        let mut registry = Registry::default();
        registry.insert("spike", move || Ok(Spike { continuous, steps: 0 }));
        let run = Run::with(&config, registry);
        let mut before = None;
        let good = run.path.join("checkpoints/step-000000000096/model.safetensors");
        let mut watch = |p: &agents::runtime::session::Progress| {
            if before.is_none() && p.env_steps > 100 {
                before = Some(fs::read(&good).unwrap());
            }
            false
        };
        let error = run.train_until(&mut watch).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(wanted), "{text}\nwant {wanted}");
        assert!(text.contains("last good checkpoint is untouched"), "{text}");
        let Error::NonFinite { dump, env_step, update, .. } = error else { panic!("{text}") };
        // The spikes begin at step 114; the first update after is due at 122.
        assert_eq!((env_step, update), (122, 8), "{text}");

        let arrays = TensorFile::open(dump.as_ref()).unwrap().state_dict().unwrap();
        let names: Vec<&str> = arrays.keys().map(String::as_str).collect();
        let mut fields = vec!["action", "discount", "next_obs", "obs", "reward"];
        if continuous && n_step > 1 {
            fields.splice(1..1, ["between_discount", "between_obs"]);
        }
        assert_eq!(names, fields);
        assert_eq!(arrays["obs"].size(), [64, 2]);
        assert!(arrays["reward"].max().double_value(&[]) > 2.9e38, "the culprit is in it");

        assert_eq!(run.newest().state.env_steps, 96);
        assert!(fs::read(&good).unwrap() == before.unwrap(), "the checkpoint changed");
    });
}

#[test]
fn a_loss_that_is_not_finite_names_model_and_tensor() {
    diverges("dqn", 1, "the q loss is inf: the loss itself is the first tensor that is not finite");
    diverges("dqn", 5, "the q loss is inf: batch `reward` is the first tensor that is not finite");
    diverges("sac", 1, "the critic loss is inf: the loss itself is the first tensor");
    diverges("sac", 5, "the critic loss is inf: batch `reward` is the first tensor");
}
