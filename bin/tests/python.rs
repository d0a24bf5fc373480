//! Python environments behind the command line: what is printed when they fail.

#[path = "../../envs/tests/python/packages.rs"]
#[allow(dead_code, reason = "the tests of the bridge use more of it")]
mod packages;

mod cli;

use cli::{Ended, Scratch};

/// Needs gymnasium alone.
const BROKEN: &str = r#"
import gymnasium, numpy

class Broken(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, good_steps=2):
        self.good_steps = good_steps

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return numpy.zeros(2, numpy.float32), {}

    def step(self, action):
        self.t += 1
        if self.t > self.good_steps:
            raise ValueError("the bridge is out\n\nerror: (part of the exception's own message)")
        return numpy.zeros(2, numpy.float32), 0.0, False, False, {}
"#;

/// `supple ARGS --set PREFIX.path=... --set PREFIX.python=...` beside a `worlds.py` of this text.
fn run(source: &str, args: &[&str], prefix: &str) -> Ended {
    let scratch = Scratch::quick();
    scratch.write("worlds.py", source);
    run_in(&scratch, args, prefix)
}

fn run_in(scratch: &Scratch, args: &[&str], prefix: &str) -> Ended {
    let packages = packages::packages();
    let path = format!("{prefix}path={}", packages.folder.display());
    let python = format!("{prefix}python={}", packages.bare.display());
    let set = ["--set", path.as_str(), "--set", python.as_str()];
    scratch.run(&[args, &set].concat())
}

#[test]
fn a_traceback_stands_on_lines_of_its_own_below_the_sentence() {
    let args = ["train", "quick.toml", "--set", "env.name=python:worlds:Broken"];
    let ended = run(BROKEN, &args, "env.kwargs.");
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let lines: Vec<&str> = ended.stderr.lines().collect();
    let errors: Vec<usize> = (0..lines.len()).filter(|&i| lines[i].starts_with("error:")).collect();
    let [at] = errors[..] else { panic!("one line begins with error:\n{}", ended.stderr) };
    assert!(
        lines[at].ends_with("its step() raised ValueError: the bridge is out"),
        "{}",
        lines[at]
    );
    assert_eq!(lines[at + 1], "  Traceback (most recent call last):");
    let line = "    File \"";
    assert!(lines[at + 2].starts_with(line) && lines[at + 2].contains("worlds.py"), "{lines:?}");
    assert!(lines.contains(&"  ValueError: the bridge is out"), "{}", ended.stderr);

    let ended = run(BROKEN, &["check-env", "python:worlds:Broken"], "");
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines[0], "error: it failed: its step() raised ValueError: the bridge is out");
    assert!(lines[1].starts_with("  where: ") && lines[2].starts_with("  to do: "), "{lines:?}");
    assert_eq!(lines[3], "    Traceback (most recent call last):");
}

const TOLD: &str = r"
import gymnasium

class Told(gymnasium.Env):
    def __init__(self, **given):
        raise ValueError(repr(given))
";

/// Also what JSON cannot say.
#[test]
fn arguments_reach_python_as_they_are() {
    let want = "{'a': [inf, -inf, nan, 1000, 0.1], 'b': {'c': True, 'd': 'e'}}";
    for (command, prefix) in [
        (&["train", "quick.toml", "--set", "env.name=python:worlds:Told"][..], "env.kwargs."),
        (&["check-env", "python:worlds:Told"][..], ""),
    ] {
        let a = format!("{prefix}a=[inf, -inf, nan, 1_000, 0.1]");
        let (c, d) = (format!("{prefix}b.c=true"), format!("{prefix}b.d=e"));
        let set = ["--set", &a, "--set", &c, "--set", &d];
        let ended = run(TOLD, &[command, &set].concat(), prefix);
        let wanted = format!("raised ValueError: {want}");
        assert!(ended.stderr.contains(&wanted), "{command:?}: {}", ended.stderr);
    }
    let args = ["check-env", "python:worlds:Told", "--set", "a=1979-05-27"];
    let ended = run(TOLD, &args, "");
    assert!(ended.stderr.contains("1979-05-27 is a date or time"), "{}", ended.stderr);
}

const WALK: &str = r"
import gymnasium, numpy
from steps import STEP

class Walk(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-10, 10, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t, self.x = 0, self.np_random.normal()
        return numpy.array([self.x], numpy.float32), {}

    def step(self, action):
        self.t += 1
        self.x += STEP * (2 * action - 1)
        return numpy.array([self.x], numpy.float32), -abs(self.x), False, self.t == 9, {}
";

#[test]
fn another_module_of_the_same_name_is_not_taken_for_the_run_s_own() {
    let s = Scratch::quick();
    let write = |folder: &str, walk: &str, steps: &str| {
        std::fs::create_dir_all(s.path(folder)).expect("a folder");
        s.write(&format!("{folder}/worlds.py"), walk);
        s.write(&format!("{folder}/steps.py"), steps);
    };
    let inside = |folder: &str, args: &str| {
        let line = format!("cd {folder} && {} {args}", cli::SUPPLE);
        s.start_program("sh", &["-c", &line]).wait()
    };
    write("home", WALK, "STEP = 0.1");
    let packages = packages::packages();
    let train = format!(
        "train ../quick.toml --run-dir run --set env.name=python:worlds:Walk --set env.kwargs.path={} --set env.kwargs.python={}",
        packages.folder.display(),
        packages.bare.display()
    );
    let ended = inside("home", &train);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let kept: serde_json::Value = serde_json::from_slice(
        &std::fs::read(s.path("home/run/python_modules.json")).expect("kept"),
    )
    .expect("JSON");
    let names: Vec<&String> = kept.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["steps", "worlds"], "its own, and none that is installed");
    let file = s.path("home/worlds.py").canonicalize().expect("a file");
    assert_eq!(kept["worlds"]["file"], file.display().to_string());

    let commands =
        ["eval RUN", "eval RUN --newest", "diagnose RUN", "resume RUN --set total_steps=STEPS"];
    let all = |folder: &str, steps: &str, code: i32, wanted: &[&str]| {
        for command in commands {
            let ended =
                inside(folder, &command.replace("RUN", "../home/run").replace("STEPS", steps));
            assert_eq!(ended.code, Some(code), "{folder}: {command}\n{}", ended.stderr);
            for wanted in wanted {
                assert!(ended.stderr.contains(wanted), "{wanted}\n{}", ended.stderr);
            }
            if wanted.is_empty() {
                assert!(!ended.stderr.contains("Python module"), "{}", ended.stderr);
            }
        }
    };
    // A copy is as good, wherever it lies.
    write("copy", WALK, "STEP = 0.1");
    all("copy", "450", 0, &[]);
    // Another one is not, also if only what it imports is.
    write("other", WALK, "STEP = -0.1");
    let here = s.path("other/steps.py").canonicalize().expect("a file");
    let here = here.display().to_string();
    all(
        "other",
        "460",
        1,
        &["the Python module `steps` of ../home/run was ", &here, "python_modules.json"],
    );
    // The run's own was edited.
    write("home", WALK, "STEP = 0.2");
    let ended = inside("home", "resume run --set total_steps=500");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let edited = "warning: the Python module `steps` (";
    assert!(
        ended.stderr.contains(edited) && ended.stderr.contains("has changed since"),
        "{}",
        ended.stderr
    );
    // A run from before modules were kept.
    std::fs::remove_file(s.path("home/run/python_modules.json")).expect("kept");
    assert_eq!(inside("other", "eval ../home/run").code, Some(0));
}
