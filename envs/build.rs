//! Bakes the rpath of MuJoCo into this crate's tests and examples, so that they need no exports.

fn main() {
    if let (Ok(_), Ok(lib)) =
        (std::env::var("CARGO_FEATURE_MUJOCO"), std::env::var("MUJOCO_DYNAMIC_LINK_DIR"))
    {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{lib}");
    }
}
