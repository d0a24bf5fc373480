//! MuJoCo for the environments that need it. It is optional: what is wrong with it turns
//! these environments off and nothing else.
//!
//! `.mujoco` is a link into the cache, or a folder of the user's own, which is left alone.

use std::path::{Path, PathBuf};

use crate::fetch::{output, version};
use crate::tree::{Link, Tree};

pub(crate) const MUJOCO: Tree = Tree {
    name: "MuJoCo",
    // The version mujoco-rs 7 binds; other ones give other trajectories.
    version: "3.17.0",
    stem: "mujoco",
    tail: "supple",
    link: ".mujoco",
    wheels: include_str!("mujoco-wheels.txt"),
    wheels_file: "xtask/src/mujoco-wheels.txt",
    download_mb: 85,
    // Measured peak: 170 MB, when pip holds the wheels twice. The rest is headroom.
    needed_mb: 300,
    elsewhere: None,
};

/// What tells mujoco-rs where the library is, and its value in `.cargo/config.toml`.
pub(crate) const VARIABLE: &str = "MUJOCO_DYNAMIC_LINK_DIR";
pub(crate) const LIBRARY_FOLDER: &str = ".mujoco/lib";
/// What mujoco-rs 7 needs, newer than the rest.
const RUST: (u32, u32) = (1, 95);

/// Whether the MuJoCo environments can be built.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// `.mujoco` is this.
    Ready(PathBuf),
    /// There is none, and none was asked for.
    Absent,
    /// Why not, and what to do.
    Off(String),
}

/// Looks for MuJoCo and links it into the checkout; fetches it only if told to, so that an
/// offline machine waits for the registry once and not at each command.
pub(crate) fn ensure(checkout: &Path, fetch: bool) -> State {
    let old = old_rust(&output("rustc", &["--version"]).unwrap_or_default());
    let state = find(checkout, fetch && old.is_none());
    match old {
        Some(why) if fetch || state != State::Absent => State::Off(why),
        _ => state,
    }
}

fn find(checkout: &Path, fetch: bool) -> State {
    let made = match MUJOCO.link_in(checkout) {
        Ok(Link::Ready(tree)) => Ok(tree),
        Ok(Link::Own(place)) => return own(&checkout.join(MUJOCO.link), &place),
        Ok(Link::ToMake) if fetch || MUJOCO.is_cached() => MUJOCO.make(checkout),
        Ok(Link::ToMake) => return State::Absent,
        Err(error) => Err(error),
    };
    match made {
        Ok(tree) => State::Ready(tree),
        Err(error) => State::Off(format!("{error}; `cargo xtask setup` tries again")),
    }
}

/// A `.mujoco` of the user's own, if it has the library in the one version that fits.
fn own(folder: &Path, place: &str) -> State {
    let library = format!("lib/libmujoco.so.{}", MUJOCO.version);
    if folder.join(&library).exists() {
        return State::Ready(folder.to_path_buf());
    }
    State::Off(format!(
        "{place} is not setup's own, so it was left alone, and lacks {library}; remove it and run \
         `cargo xtask setup`"
    ))
}

/// What to say of a compiler that is too old; nothing of one that says no version, because
/// the build will tell.
fn old_rust(rustc: &str) -> Option<String> {
    let number = rustc.split_whitespace().nth(1)?;
    let old = version(number)? < RUST;
    let (major, minor) = RUST;
    old.then(|| {
        format!("they need Rust {major}.{minor} or newer and this is {number}; run `rustup update`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::tests::Scratch;

    #[test]
    fn a_folder_of_ones_own_needs_the_library_of_the_version() {
        let checkout = Scratch::new("own-mujoco");
        checkout.write(".mujoco/lib/libmujoco.so.3.1.0", "");
        let State::Off(why) = find(&checkout.0, true) else { panic!("must be off") };
        assert!(why.contains("lacks lib/libmujoco.so.3.17.0; remove it"), "{why}");
        checkout.write(".mujoco/lib/libmujoco.so.3.17.0", "");
        assert_eq!(find(&checkout.0, true), State::Ready(checkout.0.join(".mujoco")));
    }

    #[test]
    fn an_old_compiler_is_told_from_a_new_one() {
        assert_eq!(old_rust("rustc 1.95.0 (59807616e 2026-04-14)"), None);
        assert_eq!(old_rust("rustc 2.0.0-nightly"), None);
        assert_eq!(old_rust(""), None);
        let why = old_rust("rustc 1.94.1 (abc)").unwrap();
        assert!(why.contains("1.95") && why.contains("this is 1.94.1"), "{why}");
    }
}
