//! The same run on other processors: the same bits.

mod cli;

use std::{fs, process::Command};

use cli::{SUPPLE, Scratch};

const DQN: &str = "
total_steps = 500
env.name = 'CartPole-v1'
replay = { capacity = 600, batch_size = 24, learning_starts = 100 }
runtime = { torch_threads = 1 }
eval = { every_steps = 250, episodes = 2 }
[agent]
kind = 'dqn'
dueling = true
target = { kind = 'polyak', tau = 0.01 }
value = { kind = 'categorical', bins = 21, min = 0.0, max = 50.0 }
network.arch = { kind = 'mlp', hidden = [24, 17], activation = 'tanh', norm = { kind = 'layer_norm' } }
network.interventions = [{ kind = 'cbp', maturity_threshold = 20, replacement_rate = 0.01 }, { kind = 'nap' }]
";

const SIMBA_V2: &str = "
total_steps = 400
env.name = 'Pendulum-v1'
replay = { capacity = 600, batch_size = 24, learning_starts = 100, n_step = 3 }
runtime = { torch_threads = 1 }
normalize = { obs = true, reward = { kind = 'return_scale' } }
eval.episodes = 0
[agent]
kind = 'sac'
value = { kind = 'categorical', bins = 21, min = -5.0, max = 5.0 }
log_std = { kind = 'tanh', min = -10.0, max = 2.0 }
actor.arch = { kind = 'simba_v2', width = 16, blocks = 1 }
critic.arch = { kind = 'simba_v2', width = 20, blocks = 2 }
";

/// Of the last checkpoint's `file`, trained with these kernels of ours and these of libtorch.
fn trained(s: &Scratch, config: &str, isa: &str, libtorch: &str) -> Vec<u8> {
    let run = format!("{config}-{isa}-{libtorch}");
    let mut command = Command::new(SUPPLE);
    command.current_dir(s.path("")).args(["train", config, "--run-dir", &run]);
    command.env("SUPPLE_ISA", isa).env("ATEN_CPU_CAPABILITY", libtorch);
    let done = command.output().expect("it starts");
    let text = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{text}");
    assert!(text.contains("fused kernels"), "{text}");
    let step = if config == "dqn.toml" { 500 } else { 400 };
    let file = format!("{run}/checkpoints/step-{step:012}/model.safetensors");
    fs::read(s.path(&file)).expect("a checkpoint")
}

/// Every instruction set of this processor, beside what libtorch has for an old one.
#[test]
fn instruction_sets_train_the_same_bits() {
    let s = Scratch::new();
    s.write("dqn.toml", DQN);
    s.write("simba_v2.toml", SIMBA_V2);
    for config in ["dqn.toml", "simba_v2.toml"] {
        let portable = trained(&s, config, "portable", "default");
        let all = networks::exec::fused_cpu::Isa::available();
        for isa in ["avx512", "avx2"].iter().rev().take(all.len() - 1) {
            assert!(trained(&s, config, isa, isa) == portable, "{config} with {isa}");
        }
    }
}

#[test]
fn an_unknown_instruction_set_is_an_error() {
    let s = Scratch::quick();
    let mut command = Command::new(SUPPLE);
    command.current_dir(s.path("")).args(["train", "quick.toml"]).env("SUPPLE_ISA", "mmx");
    let done = command.output().expect("it starts");
    let text = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1));
    assert!(text.starts_with("error: SUPPLE_ISA is \"mmx\" and this processor has "), "{text}");
}
