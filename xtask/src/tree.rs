//! What setup lays out: trees of files in the cache, which all checkouts share, each with a
//! link in the checkout.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process;

use crate::error::Error;
use crate::fetch;

/// A tree made from pinned wheels.
#[derive(Debug)]
pub(crate) struct Tree {
    /// Its name in messages.
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// What its folders in the cache begin and end with; the version comes between, so
    /// an update is a new folder. `unpack.py` knows it by the first.
    pub(crate) stem: &'static str,
    pub(crate) tail: &'static str,
    /// The link in the checkout.
    pub(crate) link: &'static str,
    /// The pinned wheels, as pip reads them, and the file that lists them.
    pub(crate) wheels: &'static str,
    pub(crate) wheels_file: &'static str,
    pub(crate) download_mb: u64,
    /// Free disk to ask for before starting.
    pub(crate) needed_mb: u64,
    /// What helps on a machine that the wheels are not made for.
    pub(crate) elsewhere: Option<&'static str>,
}

/// What a link of the checkout is before anything is done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Missing, or an outdated or broken one of ours: for us to make.
    ToMake,
    /// Somebody else's, to be left alone; the text says what it is.
    Own(String),
    /// Ours, to this complete tree.
    Ready(PathBuf),
}

impl Tree {
    /// The name of its folder in the cache.
    pub(crate) fn folder(&self) -> String {
        format!("{}-{}-{}", self.stem, self.version, self.tail)
    }

    /// What the checkout's link is.
    pub(crate) fn link_in(&self, checkout: &Path) -> Result<Link, Error> {
        let path = checkout.join(self.link);
        let kind = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Link::ToMake),
            Err(error) => return Err(Error::io("look at", &path)(error)),
        };
        if !kind.is_symlink() {
            return Ok(Link::Own(path.display().to_string()));
        }
        let target = fs::read_link(&path).map_err(Error::io("read the link", &path))?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let (head, tail) = (format!("{}-", self.stem), format!("-{}", self.tail));
        if !(name.starts_with(&head) && name.ends_with(&tail)) {
            return Ok(Link::Own(format!("{} -> {}", path.display(), target.display())));
        }
        // A complete tree in another cache is as good, so a working link stays.
        let ready = name == self.folder() && is_complete(&target);
        Ok(if ready { Link::Ready(target) } else { Link::ToMake })
    }

    /// Links the checkout to the tree in the cache, which is fetched if it is not there.
    pub(crate) fn make(&self, checkout: &Path) -> Result<PathBuf, Error> {
        let cache = cache()?;
        fs::create_dir_all(&cache).map_err(Error::io("create", &cache))?;
        let tree = cache.join(self.folder());
        if !is_complete(&tree) {
            fetch::fetch(self, &cache, &tree)?;
        }
        link(&tree, &checkout.join(self.link))?;
        Ok(tree)
    }

    /// Whether the cache holds it already.
    pub(crate) fn is_cached(&self) -> bool {
        cache().is_ok_and(|cache| is_complete(&cache.join(self.folder())))
    }

    /// The pinned wheels' file names.
    pub(crate) fn wheel_names(&self) -> Vec<String> {
        let comments = self.wheels.lines().filter_map(|line| line.split_once("  # "));
        comments.map(|(_, name)| name.into()).collect()
    }
}

/// Whether every file that setup wrote is there with its full size.
///
/// The manifest is written last, and the tree moved into place after that, so only
/// damage from outside makes this false for a tree that exists.
pub(crate) fn is_complete(tree: &Path) -> bool {
    let manifest = fs::read_to_string(tree.join("supple-manifest")).unwrap_or_default();
    let intact = |line: &str| {
        line.split_once(' ').is_some_and(|(size, name)| {
            let found = fs::metadata(tree.join(name)).map(|file| file.len());
            found.is_ok_and(|found| Ok(found) == size.parse())
        })
    };
    !manifest.is_empty() && manifest.lines().all(intact)
}

/// A variable's value, unless it is only `.cargo/config.toml` telling us our own folder,
/// the checkout's `ours`.
pub(crate) fn own_variable(
    value: Option<OsString>,
    checkout: &Path,
    ours: &str,
) -> Option<PathBuf> {
    let value = PathBuf::from(value?);
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    // The link itself is not followed: the cache's folder can be the user's choice.
    let depth = Path::new(ours).components().count();
    let is_ours = value.ends_with(ours)
        && value.ancestors().nth(depth).is_some_and(|root| real(root) == real(checkout));
    if is_ours { None } else { Some(value) }
}

/// The folder shared by all checkouts.
pub(crate) fn cache() -> Result<PathBuf, Error> {
    let variable = |name| env::var_os(name);
    cache_folder(variable("SUPPLE_CACHE"), variable("XDG_CACHE_HOME"), variable("HOME"))
}

/// `SUPPLE_CACHE`, else the user's cache folder.
fn cache_folder(
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

/// Points `path` at the tree, replacing an old link of ours in one step.
fn link(tree: &Path, path: &Path) -> Result<(), Error> {
    if fs::read_link(path).is_ok_and(|target| target == tree) {
        return Ok(());
    }
    let new = path.with_extension(format!("new-{}", process::id()));
    symlink(tree, &new).map_err(Error::io("create the link", &new))?;
    fs::rename(&new, path).map_err(Error::io("replace the link", path))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::libtorch::LIBTORCH;
    use crate::mujoco::MUJOCO;

    #[expect(clippy::unnecessary_wraps, reason = "a variable's value, as opposed to `None`")]
    fn os(text: &str) -> Option<OsString> {
        Some(OsString::from(text))
    }

    /// A folder of the test's own, removed at the end.
    pub(crate) struct Scratch(pub(crate) PathBuf);

    impl Scratch {
        pub(crate) fn new(name: &str) -> Self {
            let path = env::temp_dir().join(format!("xtask-{name}-{}", process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        pub(crate) fn write(&self, name: &str, text: &str) {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_wheels_are_of_the_version_and_all_pinned() {
        for (tree, first) in [(&LIBTORCH, "torch-"), (&MUJOCO, "mujoco-")] {
            let names = tree.wheel_names();
            assert_eq!(names.len(), 3, "{names:?}");
            assert!(names[0].starts_with(&format!("{first}{}-", tree.version)), "{names:?}");
            assert_eq!(tree.wheels.matches("--hash=sha256:").count(), 3);
            for name in names {
                let (package, version) = name.split_once('-').unwrap();
                let version = version.split_once('-').unwrap().0;
                let pinned = format!("{}=={version} ", package.replace('_', "-"));
                assert!(tree.wheels.contains(&pinned), "{pinned}");
            }
        }
    }

    #[test]
    fn the_checkouts_own_folder_is_not_the_users() {
        let checkout = Path::new("/somewhere/supple");
        for ours in [".libtorch", ".mujoco/lib"] {
            let own = |value| own_variable(value, checkout, ours);
            assert_eq!(own(None), None);
            assert_eq!(own(os(&format!("/somewhere/supple/{ours}"))), None);
            assert_eq!(own(os(&format!("/somewhere/supple/{ours}/"))), None);
            let (elsewhere, beside) = (format!("/somewhere/else/{ours}"), ours.replace('.', ""));
            for value in ["/opt/lib", &elsewhere, &format!("/somewhere/supple/{beside}"), ""] {
                assert_eq!(own(os(value)), Some(PathBuf::from(value)), "{value:?}");
            }
        }
    }

    #[test]
    fn the_checkout_is_recognised_through_a_link() {
        let scratch = Scratch::new("linked-checkout");
        let alias = scratch.0.join("alias");
        fs::create_dir(scratch.0.join("real")).unwrap();
        symlink(scratch.0.join("real"), &alias).unwrap();
        let value = Some(alias.join(".libtorch").into_os_string());
        assert_eq!(own_variable(value, &scratch.0.join("real"), ".libtorch"), None);
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
        tree.write("a file", "12345");
        assert!(!is_complete(&tree.0), "no manifest");
        tree.write("supple-manifest", "5 a file\n");
        assert!(is_complete(&tree.0), "all there");
        tree.write("a file", "1234");
        assert!(!is_complete(&tree.0), "truncated");
        fs::remove_file(tree.0.join("a file")).unwrap();
        assert!(!is_complete(&tree.0), "missing");
    }

    #[test]
    fn only_links_of_ours_are_replaced() {
        let scratch = Scratch::new("links");
        // What MuJoCo's own releases unpack to is not ours.
        for (tree, old, foreign) in [
            (&LIBTORCH, "libtorch-2.9.0-cpu", "mine"),
            (&MUJOCO, "mujoco-3.1.0-supple", "mujoco-3.17.0"),
        ] {
            let path = scratch.0.join(tree.link);
            let found = || tree.link_in(&scratch.0).unwrap();
            assert_eq!(found(), Link::ToMake);
            for target in [tree.folder(), old.to_owned()] {
                link(&scratch.0.join(&target), &path).unwrap();
                assert_eq!(found(), Link::ToMake, "{target} is not there");
                scratch.write(&format!("{target}/a"), "1");
                scratch.write(&format!("{target}/supple-manifest"), "1 a\n");
            }
            assert_eq!(found(), Link::ToMake, "complete, but the old one");
            let ready = scratch.0.join(tree.folder());
            link(&ready, &path).unwrap();
            assert_eq!(found(), Link::Ready(ready));
            link(&scratch.0.join(foreign), &path).unwrap();
            assert!(matches!(found(), Link::Own(_)), "{foreign}");
            fs::remove_file(&path).unwrap();
            fs::create_dir(&path).unwrap();
            assert!(matches!(found(), Link::Own(_)), "a folder");
        }
    }
}
