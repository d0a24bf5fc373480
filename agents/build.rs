//! Bakes the rpaths of libtorch and MuJoCo into this crate's tests, so that they need no exports.

fn main() {
    if let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{lib}");
    }
    if let (Ok(_), Ok(lib)) =
        (std::env::var("CARGO_FEATURE_MUJOCO"), std::env::var("MUJOCO_DYNAMIC_LINK_DIR"))
    {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{lib}");
    }
}
