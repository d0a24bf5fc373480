//! Which libtorch a build uses, and whether it is complete.
//!
//! A libtorch of the user's own wins, in the order torch-sys looks for it:
//! `LIBTORCH_USE_PYTORCH`, `LIBTORCH`, a `.libtorch` of the checkout that we did not
//! make. Otherwise `.libtorch` is a link into the cache, which all checkouts share.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::tree::{Link, Tree, own_variable};

/// The version tch 0.24 binds.
pub(crate) const VERSION: &str = "2.11.0";

pub(crate) const LIBTORCH: Tree = Tree {
    name: "libtorch",
    version: VERSION,
    stem: "libtorch",
    tail: "cpu",
    link: ".libtorch",
    wheels: include_str!("libtorch-wheels.txt"),
    wheels_file: "xtask/src/libtorch-wheels.txt",
    download_mb: 540,
    // Measured peak: 1100 MB, when pip holds the wheels twice and again when they and the
    // tree are there together. The rest is headroom.
    needed_mb: 1700,
    elsewhere: Some(
        "set LIBTORCH to a libtorch 2.11.0 folder, or LIBTORCH_USE_PYTORCH=1 with PyTorch 2.11.0 \
         installed",
    ),
};

/// Where the build's libtorch comes from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `LIBTORCH_USE_PYTORCH`: that of the Python on PATH.
    PyTorch,
    /// A folder of the user's own; the text says what names it.
    Own(PathBuf, String),
    /// `.libtorch` linked to a complete tree of ours.
    Ready(PathBuf),
}

/// Makes sure there is a libtorch to build against and says which.
pub(crate) fn ensure(checkout: &Path) -> Result<Source, Error> {
    if let Some(source) = existing(checkout)? {
        match &source {
            Source::PyTorch => check_pytorch()?,
            Source::Own(folder, place) => check_own(folder, place)?,
            Source::Ready(_) => {}
        }
        return Ok(source);
    }
    let made = LIBTORCH.make(checkout)?;
    Ok(Source::Ready(made))
}

/// What is there before anything is done; nothing if `.libtorch` is for us to make.
fn existing(checkout: &Path) -> Result<Option<Source>, Error> {
    // torch-sys asks only whether it is set, so a value of 0 counts too.
    if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        return Ok(Some(Source::PyTorch));
    }
    if let Some(folder) = own_variable(env::var_os("LIBTORCH"), checkout, LIBTORCH.link) {
        if folder.as_os_str().is_empty() {
            return Err(Error::EmptyLibtorch);
        }
        let place = format!("LIBTORCH={}", folder.display());
        return Ok(Some(Source::Own(folder, place)));
    }
    Ok(match LIBTORCH.link_in(checkout)? {
        Link::ToMake => None,
        Link::Own(place) => Some(Source::Own(checkout.join(LIBTORCH.link), place)),
        Link::Ready(tree) => Some(Source::Ready(tree)),
    })
}

/// Refuses a folder that the build would stumble over minutes later.
fn check_own(folder: &Path, place: &str) -> Result<(), Error> {
    let remedy = if folder.file_name().is_some_and(|name| name == ".libtorch") {
        "it is not setup's own, so it was left alone: put libtorch 2.11.0 there, or remove it and \
         run `cargo xtask setup`"
    } else {
        "set LIBTORCH to a libtorch 2.11.0 folder, or unset it and run `cargo xtask setup`"
    };
    let fail = |problem| Err(Error::OwnLibtorch { place: place.to_owned(), problem, remedy });
    // torch-sys lets these two point elsewhere.
    let root = |name| env::var_os(name).map_or_else(|| folder.to_path_buf(), PathBuf::from);
    let header = "include/torch/csrc/api/include/torch/torch.h";
    let library = "lib/libtorch_cpu.so";
    if !folder.is_dir() {
        return fail("is not a folder".to_owned());
    }
    for (root, name) in [(root("LIBTORCH_INCLUDE"), header), (root("LIBTORCH_LIB"), library)] {
        if !root.join(name).exists() {
            return fail(format!("lacks {name}"));
        }
    }
    match fs::read_to_string(folder.join("build-version")) {
        Ok(version) if !fits(&version) => {
            fail(format!("holds version {} but {VERSION} is needed", version.trim()))
        }
        _ => Ok(()),
    }
}

fn check_pytorch() -> Result<(), Error> {
    // torch-sys chooses the interpreter the same way.
    let python = if env::var_os("VIRTUAL_ENV").is_some() { "python" } else { "python3" };
    let script = "import torch; print(torch.__version__)";
    let output = Command::new(python).args(["-c", script]).output();
    let version = match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => {
            let problem = format!("`{python}` cannot import torch");
            return Err(Error::PyTorch { python, problem });
        }
    };
    if fits(&version) {
        return Ok(());
    }
    let problem = format!("`{python}` has torch {version}");
    Err(Error::PyTorch { python, problem })
}

/// Whether torch-sys will accept this version.
fn fits(version: &str) -> bool {
    let number = version.trim().split('+').next();
    number == Some(VERSION) || env::var_os("LIBTORCH_BYPASS_VERSION_CHECK").is_some()
}
