//! MuJoCo's own messages go to standard error, one line each, and never into a file of the folder that
//! the program runs in (`MUJOCO_LOG.TXT`, where they go by default).
#![cfg(feature = "mujoco")]

use std::process::Command;

use envs::{Action, Kwargs, Registry};
use serde_json::json;

/// Set in the process that the test starts: this program again, in a folder of its own.
const INSIDE: &str = "SUPPLE_TEST_MUJOCO_MESSAGES";

#[test]
fn nothing_is_left_in_the_current_folder() {
    if std::env::var_os(INSIDE).is_some() {
        return make_all_and_break_one();
    }
    let folder = std::env::temp_dir().join(format!("supple-messages-{}", std::process::id()));
    std::fs::create_dir(&folder).expect("a new folder");
    let program = std::env::current_exe().expect("this program");
    let ended = Command::new(program)
        .args(["--exact", "nothing_is_left_in_the_current_folder", "--nocapture"])
        .env(INSIDE, "1")
        .current_dir(&folder)
        .output()
        .expect("it can be started");
    let error = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{error}");
    let files = std::fs::read_dir(&folder).expect("the folder");
    let left: Vec<_> = files.map(|file| file.expect("a file").file_name()).collect();
    assert!(left.is_empty(), "{left:?} is left behind\n{error}");
    std::fs::remove_dir(&folder).expect("an empty folder");

    // The cheetah's deprecated attribute is no concern of the user's; that it flew away is.
    let lines: Vec<&str> = error.lines().filter(|line| line.contains("MuJoCo")).collect();
    assert!(!lines.is_empty(), "the warning is lost: {error}");
    for line in lines {
        assert!(line.starts_with("MuJoCo: Nan, Inf or huge value in Q"), "{line}");
        assert!(line.contains("unstable"), "{line}");
    }
}

fn make_all_and_break_one() {
    let registry = Registry::builtin();
    for id in registry.ids().filter(|id| id.ends_with("-v5") || id.starts_with("dmc/")) {
        let mut env = registry.make(id, &Kwargs::new()).expect("built in");
        let mut obs = vec![0.0; env.spec().obs.size()];
        env.reset(0, &mut obs).expect("reset");
    }
    let kwargs = json!({ "gear/bthigh": 1e30 });
    let kwargs = Kwargs::try_from(kwargs).expect("an object");
    let mut env = registry.make("HalfCheetah-v5", &kwargs).expect("a strong cheetah");
    let mut obs = vec![0.0; env.spec().obs.size()];
    env.reset(0, &mut obs).expect("reset");
    for _ in 0..20 {
        // Whether it fails does not matter here.
        let _stepped = env.step(Action::Continuous(&[1.0; 6]), &mut obs);
    }
}
