//! The C++ compiler that torch-sys's build script will want, checked before the wait.

use std::env;
use std::process::{Command, Stdio};

use crate::error::Error;

/// Fails, with the remedy, if the build would not find a C++ compiler.
pub(crate) fn check() -> Result<(), Error> {
    let tried = chosen(|name| env::var(name).ok());
    if runs(&tried) {
        return Ok(());
    }
    // The `cc` crate tries only one name, so a compiler of another name needs CXX.
    let alternative = ["g++", "clang++"].into_iter().find(|name| runs(name));
    Err(Error::NoCompiler { tried, alternative })
}

/// The compiler's command, found the way the `cc` crate finds it.
fn chosen(variable: impl Fn(&str) -> Option<String>) -> String {
    ["CXX_x86_64-unknown-linux-gnu", "CXX_x86_64_unknown_linux_gnu", "HOST_CXX", "CXX"]
        .into_iter()
        .find_map(|name| variable(name).filter(|value| !value.trim().is_empty()))
        .unwrap_or_else(|| "c++".to_owned())
}

fn runs(command: &str) -> bool {
    // CXX may hold a wrapper or options: `ccache g++`.
    let mut words = command.split_whitespace();
    let Some(program) = words.next() else { return false };
    let mut version = Command::new(program);
    version.args(words).arg("--version");
    version.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cxx_names_the_compiler() {
        let cxx = |value: &'static str| chosen(|name| (name == "CXX").then(|| value.to_owned()));
        assert_eq!(cxx("ccache g++"), "ccache g++");
        assert_eq!(cxx(" "), "c++");
        assert_eq!(chosen(|_| None), "c++");
    }

    #[test]
    fn a_missing_compiler_does_not_run() {
        assert!(!runs("no-such-compiler-here"));
        assert!(!runs(""));
    }
}
