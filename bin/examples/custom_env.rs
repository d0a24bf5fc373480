//! An environment of one's own behind the whole command line.
use supple::envs::{Action, ActionSpace, Env, EnvError, EnvSpec, Registry, Step};

struct Thermostat {
    temp: f32,
    t: u32,
}

impl Env for Thermostat {
    fn spec(&self) -> EnvSpec {
        EnvSpec::vector(1, ActionSpace::symmetric(1))
    }
    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        (self.temp, self.t) = (15.0 + (seed % 10) as f32, 0);
        obs[0] = self.temp;
        Ok(())
    }
    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        self.temp += action.continuous()?[0] - 0.1 * (self.temp - 15.0);
        self.t += 1;
        obs[0] = self.temp;
        Ok(Step { reward: -(self.temp - 20.0).abs(), terminated: false, truncated: self.t == 200 })
    }
}

fn main() -> std::process::ExitCode {
    let mut envs = Registry::builtin();
    envs.insert("thermostat", || Ok(Thermostat { temp: 15.0, t: 0 }));
    supple::run(envs) // the same commands, files and messages as the stock `supple`
}
