//! From the command line to a [`Command`], and the help texts.

use std::borrow::Cow;
use std::ffi::OsString;

use crate::error::Error;

/// The config `train` uses when none is named.
pub(crate) const QUICKSTART: &str = "configs/quickstart.toml";

/// What turns on the MuJoCo environments.
pub(crate) const MUJOCO_FEATURE: [&str; 2] = ["--features", "mujoco"];
/// The packages without that feature, because they do not depend on `envs`.
const WITHOUT_MUJOCO: [&str; 2] = ["networks", "xtask"];

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Print a help text.
    Help(&'static str),
    /// Get libtorch and MuJoCo.
    Setup,
    /// Build and run the trainer; without a config, the quickstart's.
    Train { config: Option<OsString>, arguments: Vec<OsString> },
    /// Run the tests, or the slow ones; the arguments are `cargo test`'s.
    Test { slow: bool, arguments: Vec<OsString> },
    /// Run what CI runs besides the tests.
    Check,
    /// Run the benchmarks; the arguments are `cargo bench`'s.
    Bench { arguments: Vec<OsString> },
    /// Time other frameworks beside this Supple, or one that is to be built.
    Peers { program: Option<OsString>, arguments: Vec<String> },
}

const HELP: &str = "\
Builds, tests and runs Supple; gets what it needs on the way.

Usage: cargo xtask COMMAND [ARGUMENTS]

Commands:
  setup   get libtorch and MuJoCo, once per machine
  train   build in release mode and train, by default configs/quickstart.toml
  test    run the tests
  check   formatting, lints, documentation, licences
  bench   run the benchmarks
  peers   time training beside Stable-Baselines3, SBX and rlox

`cargo xtask COMMAND --help` tells more about a command.
";

const SETUP: &str = "\
Gets libtorch 2.11.0 (CPU) and MuJoCo 3.17.0 and links them to .libtorch and .mujoco, where
every cargo command finds them. MuJoCo comes with the models of Gymnasium and DeepMind Control.
If it cannot be had, its environments are off and all else works. `cargo xtask` builds them
where it can; plain cargo does so with `--features mujoco`.
The other commands do this by themselves when needed.

Usage: cargo xtask setup

Needs x86-64 Linux, python3 with pip, a C++ compiler, and the first time 1.7 GB of free disk
(half of which stays used) and access to the package registry that pip is set up for. MuJoCo
also needs Rust 1.95.

Environment:
  LIBTORCH              a libtorch 2.11.0 folder of your own: none is downloaded
  LIBTORCH_USE_PYTORCH  set to 1 to use the PyTorch 2.11.0 of the Python on PATH
  SUPPLE_CACHE          where to keep both; default $XDG_CACHE_HOME/supple or
                        ~/.cache/supple
  SUPPLE_WHEELS         a folder with the wheels of xtask/src/libtorch-wheels.txt and
                        xtask/src/mujoco-wheels.txt, to use instead of a registry
";

const TRAIN: &str = "\
Builds Supple in release mode and runs `supple train`.

Usage: cargo xtask train [CONFIG] [ARGUMENTS OF supple train]

CONFIG defaults to configs/quickstart.toml. Everything after it goes to `supple train`;
`cargo xtask train CONFIG --help` lists what that takes.
";

const TEST: &str = "\
Runs the tests of the whole workspace, or of the packages named with -p.

Usage: cargo xtask test [--slow] [ARGUMENTS OF cargo test]

  --slow  run the tests that the default suite ignores, in release mode; these take long
";

const CHECK: &str = "\
Checks formatting, lints, documentation and, if cargo-deny is installed, licences and
advisories. Runs all of them and fails if one does.

Usage: cargo xtask check
";

const BENCH: &str = "\
Runs the benchmarks.

Usage: cargo xtask bench [ARGUMENTS OF cargo bench]
";

const PEERS: &str = "\
Times training with Supple, Stable-Baselines3, SBX and rlox in turn, on the same tasks with the
same networks, batches and threads, one update a step. Prints medians and ratios as a Markdown
table, with the machine, the versions and the command.

Usage: cargo xtask peers [CASE ...] [OPTIONS]

Cases, by default all of them, some ten minutes a round:
  halfcheetah  SAC, HalfCheetah-v5, 2x256, batch 256
  pendulum     SAC, Pendulum-v1, 2x64, batch 256
  cartpole     DQN, CartPole-v1, 2x128, batch 64

  --rounds N           how often each of them runs; the median counts; default 3
  --cores N,N          the cores that each process may use; default the first two
  --threads N          threads of each process; `own` leaves it to each; default one a core
  --only NAME,NAME     some of supple, sb3, sbx, rlox
  --quick              very few steps, to see that everything runs: the rates are noise
  --program PATH       a `supple` that is already built, with the feature mujoco
  --thrust CASE=PATH   also an example of thrust-rl that takes TOTAL_TIMESTEPS, such as its
                       train_sac, built with the case's sizes

The peers are installed once per machine, from the pinned and hash-checked wheels of
benchmarks/peers/requirements.txt, into a virtual environment in the cache folder of
`cargo xtask setup`. Needs Python 3.11 or newer with venv, 3.5 GB of free disk, of which 2.3 GB
stay used, and 800 MB of downloads. SUPPLE_CACHE and SUPPLE_WHEELS count here too.
";

/// Reads the arguments after the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Error> {
    let mut arguments = arguments.into_iter();
    let Some(name) = arguments.next() else { return Ok(Command::Help(HELP)) };
    let mut rest: Vec<OsString> = arguments.collect();
    let name = name.to_string_lossy();
    let help = match &*name {
        "setup" => SETUP,
        "train" => TRAIN,
        "test" => TEST,
        "check" => CHECK,
        "bench" => BENCH,
        "peers" => PEERS,
        "help" | "-h" | "--help" => return Ok(Command::Help(HELP)),
        _ => return Err(Error::Usage(format!("there is no command `{name}`"))),
    };
    // Only in first place: later ones are for the program that gets the arguments.
    if rest.first().is_some_and(|first| first == "--help" || first == "-h") {
        return Ok(Command::Help(help));
    }
    match &*name {
        "train" => {
            let named = rest.first().is_some_and(|first| !starts_with_dash(first));
            let config = named.then(|| rest.remove(0));
            Ok(Command::Train { config, arguments: rest })
        }
        "test" => {
            let end = rest.iter().position(|argument| argument == "--").unwrap_or(rest.len());
            let slow = rest[..end].iter().position(|argument| argument == "--slow");
            if let Some(place) = slow {
                rest.remove(place);
            }
            Ok(Command::Test { slow: slow.is_some(), arguments: rest })
        }
        "bench" => Ok(Command::Bench { arguments: rest }),
        "peers" => peers(rest),
        _ => match rest.first() {
            Some(extra) => {
                let extra = extra.to_string_lossy();
                Err(Error::Usage(format!("`{name}` takes no arguments, but got `{extra}`")))
            }
            None if name == "setup" => Ok(Command::Setup),
            None => Ok(Command::Check),
        },
    }
}

/// Takes out `--program`, which only this side needs to know.
fn peers(rest: Vec<OsString>) -> Result<Command, Error> {
    let (mut program, mut arguments) = (None, Vec::new());
    let mut rest = rest.into_iter();
    while let Some(argument) = rest.next() {
        let text = argument.to_string_lossy().into_owned();
        if text == "--program" {
            let path = rest.next();
            program = Some(path.ok_or_else(|| Error::Usage("`--program` lacks a path".into()))?);
        } else if let Some(path) = text.strip_prefix("--program=") {
            program = Some(path.into());
        } else {
            arguments.push(text);
        }
    }
    Ok(Command::Peers { program, arguments })
}

/// The arguments of `cargo test`: the whole workspace unless packages are named, the feature
/// `mujoco` where there is one, and for the slow suite the names it selects; the user's own
/// stay on their side of `--`.
pub(crate) fn test_arguments(
    slow: bool,
    mujoco: bool,
    mut arguments: Vec<OsString>,
) -> Vec<OsString> {
    let end = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
    let after = arguments.split_off(end);
    let packages = packages(&arguments);
    let mut all = Vec::new();
    // Given both, cargo would ignore the package.
    if packages.is_empty() {
        all.push("--workspace".into());
    }
    // Cargo refuses a feature that none of the named packages has.
    let without = |name: &String| WITHOUT_MUJOCO.contains(&name.as_str());
    if mujoco && (packages.is_empty() || !packages.iter().all(without)) {
        all.extend(MUJOCO_FEATURE.map(OsString::from));
    }
    if slow {
        all.push("--release".into());
    }
    all.append(&mut arguments);
    if slow {
        all.extend(["--", "--ignored", "--nocapture"].map(OsString::from));
        all.extend(after.into_iter().skip(1));
    } else {
        all.extend(after);
    }
    all
}

/// The packages named among cargo's arguments: `-p NAME`, `-pNAME`, `-p=NAME`, the same
/// with `--package`.
fn packages(arguments: &[OsString]) -> Vec<String> {
    let mut names = Vec::new();
    let mut arguments = arguments.iter().map(|argument| argument.to_string_lossy());
    while let Some(argument) = arguments.next() {
        let prefix = ["--package", "-p"].into_iter().find(|&prefix| argument.starts_with(prefix));
        let Some(prefix) = prefix else { continue };
        let attached = &argument[prefix.len()..];
        if attached.is_empty() {
            names.extend(arguments.next().map(Cow::into_owned));
        } else {
            names.push(attached.trim_start_matches('=').to_owned());
        }
    }
    names
}

fn starts_with_dash(argument: &OsString) -> bool {
    argument.as_encoded_bytes().starts_with(b"-")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    fn parsed(text: &str) -> Command {
        parse(words(text)).unwrap()
    }

    #[test]
    fn train_takes_the_first_word_as_config_unless_it_is_an_option() {
        let train = |config: Option<&str>, arguments| Command::Train {
            config: config.map(OsString::from),
            arguments: words(arguments),
        };
        assert_eq!(parsed("train"), train(None, ""));
        assert_eq!(parsed("train --set a=1"), train(None, "--set a=1"));
        assert_eq!(parsed("train c.toml --set a=1"), train(Some("c.toml"), "--set a=1"));
        assert_eq!(parsed("train c.toml --help"), train(Some("c.toml"), "--help"));
    }

    #[test]
    fn the_flag_slow_is_ours_only_before_the_double_dash() {
        let test = |slow, arguments| Command::Test { slow, arguments: words(arguments) };
        assert_eq!(parsed("test"), test(false, ""));
        assert_eq!(parsed("test -p envs --slow"), test(true, "-p envs"));
        assert_eq!(parsed("test -p envs -- --slow"), test(false, "-p envs -- --slow"));
    }

    #[test]
    fn the_program_of_peers_is_taken_out() {
        let peers = |program: Option<&str>, text: &str| {
            let arguments = text.split_whitespace().map(str::to_owned).collect();
            Command::Peers { program: program.map(OsString::from), arguments }
        };
        assert_eq!(parsed("peers pendulum --quick"), peers(None, "pendulum --quick"));
        for text in ["peers --program s --rounds 1", "peers --rounds 1 --program=s"] {
            assert_eq!(parsed(text), peers(Some("s"), "--rounds 1"));
        }
        assert_eq!(parse(words("peers --program")).unwrap_err().code(), 2);
    }

    #[test]
    fn test_arguments_keep_their_side_of_the_double_dash() {
        let test = |slow, text| test_arguments(slow, false, words(text));
        assert_eq!(test(false, "-- --nocapture"), words("--workspace -- --nocapture"));
        assert_eq!(test(true, ""), words("--workspace --release -- --ignored --nocapture"));
        assert_eq!(
            test(true, "-p agents -- --test-threads=1"),
            words("--release -p agents -- --ignored --nocapture --test-threads=1")
        );
    }

    #[test]
    fn a_named_package_replaces_the_workspace() {
        let whole =
            |text| test_arguments(false, false, words(text)).contains(&"--workspace".into());
        for (text, expected) in [
            ("", true),
            ("--profile x", true),
            ("-- -p", true),
            ("-p envs", false),
            ("-penvs", false),
            ("--package=envs", false),
        ] {
            assert_eq!(whole(text), expected, "{text:?}");
        }
    }

    #[test]
    fn mujoco_is_turned_on_where_a_package_has_it() {
        let on = |text| test_arguments(false, true, words(text)).contains(&"mujoco".into());
        for text in ["", "--release", "-p envs", "-pagents", "-p networks --package=supple"] {
            assert!(on(text), "{text:?}");
        }
        for text in ["-p networks", "-pxtask", "-p=networks", "--package networks -p xtask"] {
            assert!(!on(text), "{text:?}");
        }
        assert!(!test_arguments(false, false, Vec::new()).contains(&"mujoco".into()));
        assert_eq!(
            test_arguments(true, true, words("-p envs -- x")),
            words("--features mujoco --release -p envs -- --ignored --nocapture x")
        );
    }

    #[test]
    fn the_packages_without_mujoco_are_those_that_do_not_declare_it() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let root = fs::read_to_string(workspace.join("Cargo.toml")).unwrap();
        let members = root.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
        for folder in members.split('"').skip(1).step_by(2) {
            let manifest = fs::read_to_string(workspace.join(folder).join("Cargo.toml")).unwrap();
            let name = manifest.lines().find_map(|line| line.strip_prefix("name = ")).unwrap();
            let declares = manifest.lines().any(|line| line.starts_with("mujoco = ["));
            assert_eq!(declares, !WITHOUT_MUJOCO.contains(&name.trim_matches('"')), "{name}");
        }
    }

    #[test]
    fn every_command_has_its_help() {
        assert_eq!(parsed(""), Command::Help(HELP));
        for name in ["setup", "train", "test", "check", "bench", "peers"] {
            assert!(HELP.contains(&format!("\n  {name} ")), "{name}");
            let Command::Help(text) = parsed(&format!("{name} --help")) else { panic!("{name}") };
            assert!(text.contains(&format!("Usage: cargo xtask {name}")), "{name}");
        }
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for (text, named) in [("trian", "`trian`"), ("setup now", "`now`"), ("check x", "`x`")] {
            let error = parse(words(text)).unwrap_err();
            assert_eq!(error.code(), 2);
            assert!(error.to_string().contains(named), "{error}");
        }
    }
}
