//! Which environments share a worker process, and that no process stays behind.

#[path = "python/support.rs"]
mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;

use envs::{Action, Actions, Env, Registry, VecEnv};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use support::{
    eventually, kwargs, make, mark, packages, pids, reset, runs, sources, step, within, world,
};

fn vector(registry: &Registry, n: usize, arguments: Value) -> VecEnv {
    let arguments = kwargs(arguments);
    let envs = (0..n).map(|_| registry.make("python:worlds:Fault", &arguments).expect("made"));
    VecEnv::new(envs.collect(), ChaCha8Rng::seed_from_u64(0)).expect("reset")
}

/// How often each process is named.
fn counts(pids: &[u32]) -> Vec<usize> {
    let mut different: Vec<u32> = Vec::new();
    for pid in pids {
        if !different.contains(pid) {
            different.push(*pid);
        }
    }
    different.iter().map(|pid| pids.iter().filter(|other| *other == pid).count()).collect()
}

#[test]
fn environments_of_a_vector_share_workers_up_to_their_size() {
    within(60, || {
        let registry = Registry::builtin();
        let marked = mark("sharing");
        let first = vector(&registry, 6, json!({"mark": marked}));
        assert_eq!(counts(&pids(&marked)), [4, 2], "four to a worker");
        // There is room in the second worker, but it belongs to others.
        let second = vector(&registry, 2, json!({"mark": marked}));
        assert_eq!(counts(&pids(&marked)), [4, 2, 2]);
        // Made in another way.
        let mut other = vector(&registry, 2, json!({"mark": marked, "pause": 0.001}));
        assert_eq!(counts(&pids(&marked)), [4, 2, 2, 2]);
        other.step(&Actions::Discrete(vec![0; 2])).expect("a step");
        drop((first, second, other));

        let marked = mark("alone");
        let alone = vector(&registry, 3, json!({"mark": marked, "envs_per_worker": 1}));
        assert_eq!(counts(&pids(&marked)), [1, 1, 1]);
        drop(alone);
    });
}

/// Actor threads make theirs at the same time in a program of one's own.
#[test]
fn threads_do_not_share() {
    within(60, || {
        let registry = Registry::builtin();
        let marked = mark("threads");
        let arguments = kwargs(json!({"mark": marked}));
        let threads = [0, 1].map(|_| {
            let (registry, arguments) = (registry.clone(), arguments.clone());
            thread::spawn(move || {
                let made = || registry.make("python:worlds:Fault", &arguments).expect("made");
                [made(), made()]
            })
        });
        // Alive until all are made.
        let envs = threads.map(|thread| thread.join().expect("no panic"));
        assert_eq!(counts(&pids(&marked)), [2, 2]);
        drop(envs);
    });
}

/// Evaluations make and drop theirs again and again.
#[test]
fn a_worker_is_used_again_and_ends_with_the_registry() {
    within(60, || {
        let registry = Registry::builtin();
        let marked = mark("again");
        for _ in 0..3 {
            let mut envs = vector(&registry, 2, json!({"mark": marked}));
            envs.step(&Actions::Discrete(vec![0; 2])).expect("a step");
            assert_eq!(envs.obs(), [1.0, 0.0, 1.0, 0.0]);
        }
        let all = pids(&marked);
        assert_eq!(counts(&all), [6], "one process for all");
        assert!(runs(all[0]), "it waits for the next");
        drop(registry);
        assert!(!runs(all[0]));
    });
}

#[test]
fn an_idle_worker_that_was_killed_is_made_up_for() {
    within(60, || {
        let registry = Registry::builtin();
        let marked = mark("idle");
        drop(vector(&registry, 1, json!({"mark": marked})));
        let pid = pids(&marked)[0];
        kill(pid);
        eventually("it is dead", || !runs(pid));
        vector(&registry, 1, json!({"mark": marked}));
        assert_eq!(counts(&pids(&marked)), [1, 1]);
    });
}

/// Each environment is at another time of another episode: nobody gets another's numbers.
#[test]
fn environments_of_a_worker_do_not_mix() {
    within(60, || {
        let registry = Registry::builtin();
        let arguments = kwargs(json!({"seeds": true}));
        let mut envs: Vec<Box<dyn Env>> = (0..4)
            .map(|_| registry.make("python:worlds:Fault", &arguments).expect("made"))
            .collect();
        let mut t = [0.0; 4];
        for (i, env) in envs.iter_mut().enumerate() {
            assert_eq!(reset(env.as_mut(), 10 + i as u64).expect("reset"), [0.0, 10.0 + i as f32]);
        }
        // Begun by all, by some, by none, finished in any order, or not at all.
        let rounds: [(&[usize], &[usize]); 7] = [
            (&[0, 1, 2, 3], &[0, 1, 2, 3]),
            (&[0, 1, 2, 3], &[3, 1, 0, 2]),
            (&[], &[2, 0]),
            (&[1, 3], &[3, 0, 1]),
            (&[2], &[0, 1, 3, 2]),
            (&[3, 2, 1, 0], &[2, 3, 1]),
            (&[3], &[3, 0]),
        ];
        for (begun, finished) in rounds {
            for &i in begun {
                assert!(envs[i].begin(Action::Discrete(0)));
            }
            for &i in finished {
                t[i] += 1.0;
                let (obs, result) = step(envs[i].as_mut(), 0).expect("step");
                assert_eq!(obs, [t[i], 10.0 + i as f32], "{begun:?} {finished:?}");
                assert_eq!(result.reward, 1.0);
            }
        }
        // A step that was begun and never finished.
        assert!(envs[1].begin(Action::Discrete(0)));
        assert_eq!(reset(envs[1].as_mut(), 7).expect("reset"), [0.0, 7.0]);
        assert_eq!(step(envs[1].as_mut(), 0).expect("step").0, [1.0, 7.0]);
        assert!(envs[2].begin(Action::Discrete(0)));
        envs.remove(2);
        assert_eq!(step(envs[0].as_mut(), 0).expect("step").0, [t[0] + 1.0, 10.0]);
    });
}

/// `VecEnv` gives the same whether they share a worker or not.
#[test]
fn sharing_changes_nothing() {
    within(60, || {
        let play = |per_worker: usize| {
            let registry = Registry::builtin();
            let arguments = kwargs(json!({"envs_per_worker": per_worker}));
            let envs = (0..3).map(|_| registry.make("gymnasium:Pendulum-v1", &arguments));
            let envs = envs.collect::<Result<_, _>>().expect("made");
            let mut envs = VecEnv::new(envs, ChaCha8Rng::seed_from_u64(3)).expect("reset");
            let mut tape = Vec::new();
            for t in 0..450 {
                let data = (0..3).map(|i| ((t * 3 + i) as f32).sin()).collect();
                envs.step(&Actions::Continuous { data, dim: 1 }).expect("step");
                tape.extend(envs.obs().iter().map(|x| x.to_bits()));
                tape.extend(envs.outcomes().iter().map(|o| o.reward.to_bits()));
            }
            tape
        };
        let one = play(1);
        assert_eq!(play(4), one);
        assert_eq!(play(2), one);
    });
}

/// Workers compute at the same time: the actions of all leave before the first is waited for.
#[test]
fn workers_run_side_by_side() {
    within(60, || {
        let registry = Registry::builtin();
        let marked = mark("side by side");
        let arguments = json!({"fault": "meet", "mark": marked, "envs_per_worker": 1});
        let mut envs = vector(&registry, 4, arguments);
        // In the third one each waits for the other three.
        for _ in 0..3 {
            envs.step(&Actions::Discrete(vec![0; 4])).expect("step");
        }
    });
}

/// Of modules that cannot be looked into nothing is kept, and nothing fails.
#[test]
fn odd_modules_do_no_harm() {
    within(30, || {
        let registry = Registry::builtin();
        registry.make("python:worlds:OddModules", &kwargs(json!({}))).map(drop).expect("made");
        let names: Vec<String> = registry.sources().into_keys().collect();
        assert_eq!(names, ["worlds"]);
    });
}

/// Environments that do not run elsewhere are asked once.
#[test]
fn an_environment_that_does_not_begin_is_not_asked_again() {
    struct Counts(u32);
    impl Env for Counts {
        fn spec(&self) -> envs::EnvSpec {
            envs::EnvSpec::vector(1, envs::ActionSpace::Discrete(1))
        }
        fn reset(&mut self, _: u64, obs: &mut [f32]) -> Result<(), envs::EnvError> {
            obs[0] = 0.0;
            Ok(())
        }
        fn step(&mut self, _: Action<'_>, obs: &mut [f32]) -> Result<envs::Step, envs::EnvError> {
            obs[0] = self.0 as f32;
            Ok(envs::Step { reward: 0.0, terminated: false, truncated: false })
        }
        fn begin(&mut self, _: Action<'_>) -> bool {
            self.0 += 1;
            false
        }
    }
    let mut envs =
        VecEnv::new(vec![Box::new(Counts(0))], ChaCha8Rng::seed_from_u64(0)).expect("one");
    for _ in 0..5 {
        envs.step(&Actions::Discrete(vec![0])).expect("step");
        assert_eq!(envs.obs(), [1.0]);
    }
}

#[test]
fn an_environment_moves_between_threads() {
    within(60, || {
        let marked = mark("moves");
        let made = thread::spawn({
            let marked = marked.clone();
            move || world("Fault", json!({"mark": marked}))
        });
        // The thread that made it is gone, and with it what Linux would kill its children for.
        let mut env = made.join().expect("no panic");
        thread::sleep(std::time::Duration::from_millis(200));
        reset(env.as_mut(), 0).expect("reset");
        let mut env = thread::spawn(move || {
            step(env.as_mut(), 0).expect("step");
            env
        })
        .join()
        .expect("no panic");
        assert_eq!(step(env.as_mut(), 0).expect("step").0, [2.0, 0.0]);
        drop(env);
        assert!(!runs(pids(&marked)[0]));
    });
}

/// Not how a run uses them, but nothing forbids it.
#[test]
fn two_threads_may_use_one_worker() {
    within(60, || {
        let registry = Registry::builtin();
        let marked = mark("two-threads");
        let arguments = kwargs(json!({"seeds": true, "mark": marked}));
        let made = || registry.make("python:worlds:Fault", &arguments).expect("made");
        let threads = [made(), made(), made()].map(|mut env| {
            thread::spawn(move || {
                for seed in 0..50 {
                    assert_eq!(reset(env.as_mut(), seed).expect("reset"), [0.0, seed as f32]);
                    for t in 1..=10 {
                        assert!(t % 2 == 0 || env.begin(Action::Discrete(0)));
                        let (obs, result) = step(env.as_mut(), 0).expect("step");
                        assert_eq!(obs, [t as f32, seed as f32]);
                        assert_eq!(result.truncated, t == 10);
                    }
                }
            })
        });
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert_eq!(counts(&pids(&marked)), [3]);
    });
}

/// Ctrl-C in a terminal goes to the whole group of the run, which is to end in order.
#[test]
fn a_worker_is_not_in_our_process_group() {
    within(30, || {
        let group = |pid: u32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
            let (_, rest) = stat.rsplit_once(") ").expect("a name");
            rest.split(' ').nth(2).expect("state, parent, group").to_owned()
        };
        let marked = mark("group");
        let env = world("Fault", json!({"mark": marked}));
        assert_ne!(group(pids(&marked)[0]), group(std::process::id()));
        drop(env);
    });
}

/// A run that is killed takes its workers along: idle, hanging in Python, or behind a script.
#[test]
fn workers_die_with_a_killed_run() {
    const VICTIM: &str = "SUPPLE_TEST_VICTIM";
    if let Ok(arguments) = std::env::var(VICTIM) {
        // This is the run: the test started its own program again.
        let mut env = make("python:worlds:Fault", serde_json::from_str(&arguments).expect("JSON"));
        reset(env.as_mut(), 0).expect("reset");
        for t in 0..3 {
            eprintln!("step {t}");
            step(env.as_mut(), 0).expect("never the third");
        }
        eprintln!("idle");
        thread::sleep(std::time::Duration::from_secs(7200));
    }
    within(100, || {
        for fault in ["none", "hang", "spin"] {
            for script in [false, true] {
                let marked = mark(&format!("killed-{fault}-{script}"));
                let python = if script { &packages().behind_a_script } else { &packages().bare };
                let path = json!([packages().folder, sources()]);
                let arguments =
                    json!({"fault": fault, "mark": marked, "python": python, "path": path});
                let mut run = Command::new(std::env::current_exe().expect("a path"))
                    .args(["--exact", "workers_die_with_a_killed_run", "--nocapture"])
                    .env(VICTIM, arguments.to_string())
                    .stdout(Stdio::null())
                    .stderr(Stdio::piped())
                    .spawn()
                    .expect("starts");
                let last = if fault == "none" { "idle" } else { "step 2" };
                let lines = BufReader::new(run.stderr.take().expect("piped")).lines();
                let seen = lines.map_while(Result::ok).any(|line| line == last);
                assert!(seen, "{fault}: the run has ended early");
                let worker = pids(&marked)[0];
                assert!(runs(worker), "{fault}");
                run.kill().expect("SIGKILL");
                run.wait().expect("dead");
                eventually(&format!("{fault}, {script}: it is gone"), || !runs(worker));
            }
        }
    });
}

fn kill(pid: u32) {
    let status = Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(status.expect("a kill program").success());
}
