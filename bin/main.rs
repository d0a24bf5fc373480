//! `supple`: the stock command line, with the built-in environments.

fn main() -> std::process::ExitCode {
    supple::run(envs::Registry::builtin())
}
