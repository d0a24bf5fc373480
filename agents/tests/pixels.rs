//! Pictures end to end: DQN with convolutions and stacked frames learns what only two frames together
//! tell; what cannot take pictures says so.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use agents::{
    config::Config,
    diagnostics::{config::DueTiers, diagnostic::Context, registry::Diagnostics},
    experience::Batch,
};
use envs::{
    Action, ActionSpace, Dtype, Env, EnvError, EnvSpec, FrameStack, Registry, Space, State, Step,
};
use harness::{Run, config, within};
use networks::{
    arch::conv::ConvConfig,
    random::{self, Rng},
};
use rand::{RngExt, SeedableRng};
use tch::{Device, Kind, Tensor};

const SIDE: usize = 8;
const LENGTH: u32 = 20;

/// One pixel is lit, at random, and the action that pays 1 is the half where the pixel was one frame
/// *before*: half of all actions pay where that cannot be seen.
struct Afterglow {
    rng: Rng,
    /// Place of the pixel one frame before, and now.
    pixels: [usize; 2],
    t: u32,
}

impl Afterglow {
    fn new() -> Self {
        Afterglow { rng: Rng::seed_from_u64(0), pixels: [0; 2], t: 0 }
    }

    fn draw(&self, obs: &mut [f32]) {
        obs.fill(0.0);
        obs[self.pixels[1]] = 255.0;
    }
}

impl Env for Afterglow {
    fn spec(&self) -> EnvSpec {
        let pixels = SIDE * SIDE;
        let obs = Space::bounded(vec![0.0; pixels], vec![255.0; pixels]);
        let obs = Space { shape: vec![SIDE, SIDE], dtype: Dtype::U8, ..obs };
        EnvSpec { obs, action: ActionSpace::Discrete(2), time_limit: None }
    }
    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        self.rng = Rng::seed_from_u64(seed);
        self.pixels = [self.rng.random_range(0..SIDE * SIDE); 2];
        self.t = 0;
        self.draw(obs);
        Ok(())
    }
    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        let right = usize::from(self.pixels[0] % SIDE >= SIDE / 2);
        let reward = f32::from(u8::from(action.discrete()? == right));
        self.pixels = [self.pixels[1], self.rng.random_range(0..SIDE * SIDE)];
        self.t += 1;
        self.draw(obs);
        Ok(Step { reward, terminated: self.t == LENGTH, truncated: false })
    }
    fn state(&mut self) -> Option<&mut dyn State> {
        None
    }
}

fn registry() -> Registry {
    let mut registry = Registry::builtin();
    registry.insert("afterglow", || Ok(Afterglow::new()));
    registry
}

fn dqn(env: &str) -> Config {
    config(&format!(
        "
        total_steps = 3000
        env = {env}
        runtime = {{ envs_per_actor = 2, update_to_data = 0.5, torch_threads = 1 }}
        replay = {{ capacity = 3000, batch_size = 64, learning_starts = 400 }}
        eval = {{ every_steps = 0, episodes = 20 }}
        checkpoint.every_steps = 0
        diagnostics = {{ every_updates = 0, rank_every_updates = 0, curvature_every_updates = 0 }}
        [agent]
        kind = 'dqn'
        gamma = 0.0
        epsilon = {{ start = 1.0, end = 0.1, steps = 1500 }}
        network.arch = {{ kind = 'conv', torso = 'minatar', body = {{ kind = 'mlp', hidden = [64] }} }}
        network.optim.lr = 0.001"
    ))
}

/// 20 steps pay 20 to who sees two frames and about 10 to who sees one (20 episodes: +- 1).
#[test]
fn dqn_learns_what_two_frames_tell() {
    within(100, || {
        for (kwargs, least, most) in [("{ frame_stack = 2 }", 18.0, 20.0), ("{}", 8.0, 12.5)] {
            let config = dqn(&format!("{{ name = 'afterglow', kwargs = {kwargs} }}"));
            let run = Run::with(&config, registry());
            let mean = run.train().unwrap().return_mean.unwrap();
            assert!(mean >= least && mean <= most, "{kwargs}: {mean}");
        }
    });
}

fn spec(obs: Space, action: ActionSpace) -> EnvSpec {
    EnvSpec { obs, action, time_limit: None }
}

fn picture(high: f32) -> Space {
    let obs = Space::bounded(vec![0.0; 1024], vec![high; 1024]);
    Space { shape: vec![4, 16, 16], ..obs }
}

fn built(text: &str, spec: &EnvSpec) -> Result<(), String> {
    let config = config(text);
    config.build_agent(spec, Device::Cpu, &mut random::stream(1, 0)).map(|_| ())
}

#[test]
fn what_cannot_take_pictures_says_so() {
    let conv = "{ kind = 'conv', torso = 'minatar' }";
    let sac = |actor: &str, critic: &str| {
        let small = "{ kind = 'mlp', hidden = [8] }";
        let or = |arch: &str| if arch.is_empty() { small.to_owned() } else { arch.to_owned() };
        format!(
            "agent = {{ kind = 'sac', actor = {{ arch = {} }}, critic = {{ arch = {} }} }}",
            or(actor),
            or(critic)
        )
    };
    let continuous = || spec(picture(255.0), ActionSpace::symmetric(2));
    assert_eq!(built(&sac(conv, ""), &continuous()), Ok(()));
    let error = built(&sac("", conv), &continuous()).unwrap_err();
    for part in ["agent.critic.arch.kind", "observation and action", "\"simba\""] {
        assert!(error.contains(part), "{error}");
    }
    let vector = spec(Space::vector(5), ActionSpace::symmetric(2));
    let error = built(&sac(conv, ""), &vector).unwrap_err();
    assert!(error.starts_with("agent.actor.arch: ") && error.contains("[5]"), "{error}");

    let dqn = |arch: &str| format!("agent = {{ kind = 'dqn', network = {{ arch = {arch} }} }}");
    let discrete = |obs: Space| spec(obs, ActionSpace::Discrete(3));
    assert_eq!(built(&dqn(conv), &discrete(picture(255.0))), Ok(()));
    let error = built(&dqn(conv), &discrete(Space::vector(5))).unwrap_err();
    assert!(error.starts_with("agent.network.arch: ") && error.contains("[5]"), "{error}");
    let error = built(&dqn("{ kind = 'conv' }"), &discrete(picture(255.0))).unwrap_err();
    assert!(error.contains("[4, 16, 16]") && error.contains("at least 36x36"), "{error}");
}

/// Pictures are divided by their largest number, unless that is not known or the file says another.
#[test]
fn pictures_are_scaled_by_their_bounds() {
    let scale = |text: &str, obs: Space| {
        let mut config = config(text);
        config.resolve(&spec(obs, ActionSpace::Discrete(3))).unwrap();
        let toml = config.to_toml().unwrap();
        assert_eq!(Config::parse(&toml, &[]).unwrap(), config, "{toml}");
        let networks = config.agent.networks();
        let conv = networks[0].1.arch.settings::<ConvConfig>().expect("a conv");
        assert!(conv.body.is_some(), "{conv:?}");
        conv.divide_by.unwrap()
    };
    let conv = "agent = { kind = 'dqn', network = { arch = { kind = 'conv' } } }";
    assert!((scale(conv, picture(255.0)) - 255.0).abs() < 1e-12);
    assert!((scale(conv, picture(1.0)) - 1.0).abs() < 1e-12);
    assert!((scale(conv, picture(f32::INFINITY)) - 1.0).abs() < 1e-12);
    assert!((scale(conv, picture(0.0)) - 1.0).abs() < 1e-12);
    // No scale: a network would see zeros.
    assert!((scale(conv, picture(f32::MAX)) - 1.0).abs() < 1e-12);
    assert!((scale(conv, picture(i64::MAX as f32)) - 1.0).abs() < 1e-12);
    let given = conv.replace("'conv'", "'conv', divide_by = 7.0");
    assert!((scale(&given, picture(255.0)) - 7.0).abs() < 1e-12);
    let normalized = format!("normalize.obs = true\n{conv}");
    assert!((scale(&normalized, picture(255.0)) - 1.0).abs() < 1e-12);
}

/// The capacity must hold what a stack reaches back to.
#[test]
fn a_replay_shorter_than_its_stacks_is_refused() {
    let mut config = dqn("{ name = 'afterglow', kwargs = { frame_stack = 100 } }");
    config.replay.capacity = 205;
    let run = Run::with(&config, registry());
    let error = run.train().unwrap_err().to_string();
    assert!(error.contains("replay.capacity is 205") && error.contains("at least 206"), "{error}");
    assert_eq!(FrameStack::new(Box::new(Afterglow::new()), 100).unwrap().spec().obs.frames, 100);
}

/// Every measure of a network with convolutions is finite where it says something, and a channel counts
/// as one unit beside the units of other layers.
#[test]
fn channels_count_as_units() {
    let config = config(
        "agent = { kind = 'dqn', network = { arch = { kind = 'conv', torso = 'minatar', \
         body = { kind = 'mlp', hidden = [5] } } } }",
    );
    let spec = spec(picture(255.0), ActionSpace::Discrete(3));
    let dqn = config.build_agent(&spec, Device::Cpu, &mut random::stream(3, 0)).unwrap();
    let mut start = networks::params::StateDict::new();
    dqn.save(&mut start);
    // Of zeros, channels with a negative bias are off everywhere.
    let zeros = || Tensor::zeros([32, 1024], (Kind::Float, Device::Cpu));
    let batch = Batch {
        obs: zeros(),
        action: Tensor::zeros([32, 1], (Kind::Int64, Device::Cpu)),
        reward: Tensor::ones([32], (Kind::Float, Device::Cpu)),
        discount: Tensor::zeros([32], (Kind::Float, Device::Cpu)),
        next_obs: zeros(),
        between: None,
        weights: None,
        rows: Vec::new(),
    };
    let mut rng = random::stream(3, 1);
    let probes = dqn.probe(&batch, &mut rng);
    let mut cx = Context { initial: &start, refit_steps: 3, rng: &mut rng };
    let found = Diagnostics::current().of_networks(&probes, DueTiers::ALL, &mut cx);
    let value = |layer: &str, measure: &str| {
        let m = found.iter().find(|m| m.layer == layer && m.measure == measure);
        m.unwrap_or_else(|| panic!("{measure} of {layer}")).value
    };
    let (conv, hidden) = (value("q/conv_0", "dead"), value("q/hidden_0", "dead"));
    assert!(conv > 0.0 && conv < 1.0 && (conv - hidden).abs() > 0.01, "{conv} and {hidden}");
    let mean = (16.0 * conv + 5.0 * hidden) / 21.0;
    assert!(
        (value("_global", "dead") - mean).abs() < 1e-12,
        "{} is not {mean}",
        value("_global", "dead")
    );
    // All positions of all pictures look alike.
    assert!((value("q/conv_0", "effective_rank") - 1.0).abs() < 1e-3);
    assert!(value("q/conv_0", "weight_stable_rank") > 1.5);
    assert!(
        value("_global", "hessian_top").is_finite() && value("_global", "refit_loss").is_finite()
    );
}
