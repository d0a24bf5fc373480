//! Which libtorch a build uses, and whether it is complete.
//!
//! A libtorch of the user's own wins, in the order torch-sys looks for it:
//! `LIBTORCH_USE_PYTORCH`, `LIBTORCH`, a `.libtorch` of the checkout that we did not
//! make. Otherwise `.libtorch` is a link into the cache, which all checkouts share.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use crate::error::Error;
use crate::fetch;

/// The version tch 0.24 binds; `libtorch-wheels.txt` pins the same.
pub(crate) const VERSION: &str = "2.11.0";
/// The cached tree's folder name. The version is in it, so an update is a new folder.
pub(crate) const FOLDER: &str = "libtorch-2.11.0-cpu";

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
    let variable = |name| env::var_os(name);
    let cache =
        cache_folder(variable("SUPPLE_CACHE"), variable("XDG_CACHE_HOME"), variable("HOME"))?;
    fs::create_dir_all(&cache).map_err(Error::io("create", &cache))?;
    let tree = cache.join(FOLDER);
    if !is_complete(&tree) {
        fetch::fetch(&cache, &tree)?;
    }
    link(&tree, &checkout.join(".libtorch"))?;
    Ok(Source::Ready(tree))
}

/// `LIBTORCH`, unless it is only `.cargo/config.toml` telling us our own folder.
pub(crate) fn own_variable(value: Option<OsString>, checkout: &Path) -> Option<PathBuf> {
    let value = PathBuf::from(value?);
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let ours = value.file_name().is_some_and(|name| name == ".libtorch")
        && value.parent().is_some_and(|parent| real(parent) == real(checkout));
    if ours { None } else { Some(value) }
}

/// The folder shared by all checkouts: `SUPPLE_CACHE`, else the user's cache folder.
pub(crate) fn cache_folder(
    supple_cache: Option<OsString>,
    xdg_cache_home: Option<OsString>,
    home: Option<OsString>,
) -> Result<PathBuf, Error> {
    let given = |value: Option<OsString>| value.filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(cache) = given(supple_cache) {
        // Links into the cache must hold from any working directory.
        return std::path::absolute(&cache).map_err(Error::io("find", &cache));
    }
    // The XDG specification has relative values ignored.
    if let Some(cache) = given(xdg_cache_home).filter(|path| path.is_absolute()) {
        return Ok(cache.join("supple"));
    }
    given(home).map(|home| home.join(".cache/supple")).ok_or(Error::NoCache)
}

/// Whether every file that setup wrote is there with its full size.
///
/// The manifest is written last, and the tree moved into place after that, so only
/// damage from outside makes this false for a tree that exists.
pub(crate) fn is_complete(tree: &Path) -> bool {
    let version = fs::read_to_string(tree.join("build-version")).unwrap_or_default();
    let manifest = fs::read_to_string(tree.join("supple-manifest")).unwrap_or_default();
    let intact = |line: &str| {
        line.split_once(' ').is_some_and(|(size, name)| {
            let found = fs::metadata(tree.join(name)).map(|file| file.len());
            found.is_ok_and(|found| Ok(found) == size.parse())
        })
    };
    version.starts_with(VERSION) && !manifest.is_empty() && manifest.lines().all(intact)
}

/// What is there before anything is done; nothing if `.libtorch` is for us to make.
fn existing(checkout: &Path) -> Result<Option<Source>, Error> {
    // torch-sys asks only whether it is set, so a value of 0 counts too.
    if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        return Ok(Some(Source::PyTorch));
    }
    if let Some(folder) = own_variable(env::var_os("LIBTORCH"), checkout) {
        if folder.as_os_str().is_empty() {
            return Err(Error::EmptyLibtorch);
        }
        let place = format!("LIBTORCH={}", folder.display());
        return Ok(Some(Source::Own(folder, place)));
    }
    existing_link(&checkout.join(".libtorch"))
}

/// What a `.libtorch` that is already there means; nothing if it is missing or to be replaced.
fn existing_link(path: &Path) -> Result<Option<Source>, Error> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("look at", path)(error)),
    };
    let own = |place: String| Some(Source::Own(path.to_path_buf(), place));
    if !kind.is_symlink() {
        return Ok(own(path.display().to_string()));
    }
    let target = fs::read_link(path).map_err(Error::io("read the link", path))?;
    let ours = target.file_name().is_some_and(|name| {
        let name = name.to_string_lossy();
        name.starts_with("libtorch-") && name.ends_with("-cpu")
    });
    if !ours {
        return Ok(own(format!("{} -> {}", path.display(), target.display())));
    }
    // A complete tree in another cache is as good, so a working link stays.
    let current = target.file_name().is_some_and(|name| name == FOLDER);
    Ok((current && is_complete(&target)).then_some(Source::Ready(target)))
}

/// Points `.libtorch` at the tree, replacing an old link of ours in one step.
fn link(tree: &Path, path: &Path) -> Result<(), Error> {
    if fs::read_link(path).is_ok_and(|target| target == tree) {
        return Ok(());
    }
    let new = path.with_extension(format!("new-{}", process::id()));
    symlink(tree, &new).map_err(Error::io("create the link", &new))?;
    fs::rename(&new, path).map_err(Error::io("replace the link", path))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "a variable's value, as opposed to `None`")]
    fn os(text: &str) -> Option<OsString> {
        Some(OsString::from(text))
    }

    /// A folder of the test's own, removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = env::temp_dir().join(format!("xtask-{name}-{}", process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.0.join(name), text).unwrap();
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_checkouts_own_folder_is_not_the_users() {
        let checkout = Path::new("/somewhere/supple");
        assert_eq!(own_variable(None, checkout), None);
        assert_eq!(own_variable(os("/somewhere/supple/.libtorch"), checkout), None);
        assert_eq!(own_variable(os("/somewhere/supple/.libtorch/"), checkout), None);
        for own in ["/opt/libtorch", "/somewhere/else/.libtorch", ""] {
            assert_eq!(own_variable(os(own), checkout), Some(PathBuf::from(own)), "{own:?}");
        }
    }

    #[test]
    fn the_checkout_is_recognised_through_a_link() {
        let scratch = Scratch::new("linked-checkout");
        let alias = scratch.0.join("alias");
        fs::create_dir(scratch.0.join("real")).unwrap();
        symlink(scratch.0.join("real"), &alias).unwrap();
        let value = Some(alias.join(".libtorch").into_os_string());
        assert_eq!(own_variable(value, &scratch.0.join("real")), None);
    }

    #[test]
    fn cache_folder_prefers_the_most_specific_variable() {
        let choose = |a, b, c| cache_folder(a, b, c).unwrap();
        assert_eq!(choose(os("/s"), os("/x"), os("/h")), PathBuf::from("/s"));
        assert_eq!(choose(None, os("/x"), os("/h")), PathBuf::from("/x/supple"));
        assert_eq!(choose(os(""), os(""), os("/h")), PathBuf::from("/h/.cache/supple"));
        assert_eq!(choose(None, os("relative"), os("/h")), PathBuf::from("/h/.cache/supple"));
        assert!(choose(os("relative"), None, None).is_absolute());
        assert!(matches!(cache_folder(None, None, None), Err(Error::NoCache)));
    }

    #[test]
    fn a_tree_is_complete_only_with_every_file_at_full_size() {
        let tree = Scratch::new("complete");
        assert!(!is_complete(&tree.0), "empty");
        tree.write("build-version", "2.11.0+cpu\n");
        tree.write("a file", "12345");
        assert!(!is_complete(&tree.0), "no manifest");
        tree.write("supple-manifest", "11 build-version\n5 a file\n");
        assert!(is_complete(&tree.0), "all there");
        tree.write("a file", "1234");
        assert!(!is_complete(&tree.0), "truncated");
        fs::remove_file(tree.0.join("a file")).unwrap();
        assert!(!is_complete(&tree.0), "missing");
    }

    #[test]
    fn only_links_of_ours_are_replaced() {
        let scratch = Scratch::new("links");
        let path = scratch.0.join(".libtorch");
        assert_eq!(existing_link(&path).unwrap(), None);
        for (target, ours) in [(FOLDER, true), ("libtorch-2.9.0-cpu", true), ("mine", false)] {
            link(&scratch.0.join(target), &path).unwrap();
            assert_eq!(existing_link(&path).unwrap().is_none(), ours, "{target}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(existing_link(&path).unwrap(), Some(Source::Own(..))));
    }
}
