//! An environment with a bug, behind the whole command line: it panics where `at` says.
use supple::envs::{Action, ActionSpace, Env, EnvError, EnvSpec, Registry, Step};

struct Panicking {
    at: String,
    t: u32,
}

impl Env for Panicking {
    fn spec(&self) -> EnvSpec {
        EnvSpec::vector(1, ActionSpace::Discrete(2))
    }
    fn reset(&mut self, _seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        (self.t, obs[0]) = (0, 0.0);
        Ok(())
    }
    fn step(&mut self, _action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        self.t += 1;
        obs[0] = self.t as f32;
        assert!(self.at != "step" || self.t < 60, "the cable came off\nat the plug");
        Ok(Step { reward: 1.0, terminated: false, truncated: self.t == 100 })
    }
}

fn main() -> std::process::ExitCode {
    let mut envs = Registry::builtin();
    envs.insert_with("panicking", |kwargs| {
        let at = kwargs.get("at").and_then(|at| at.as_str()).unwrap_or_default().to_owned();
        assert!(at != "make", "there is no cable");
        if at == "aside" {
            let aside = std::thread::Builder::new().name("aside".to_owned());
            let _ = aside.spawn(|| panic!("a loose end"))?.join();
        }
        Ok(Box::new(Panicking { at, t: 0 }))
    });
    supple::run(envs)
}
