//! `supple`: the stock command line, with what is built in.

fn main() -> std::process::ExitCode {
    supple::run(supple::Registries::builtin())
}
