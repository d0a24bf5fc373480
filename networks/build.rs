//! Compiles the C++ shim against the same libtorch that torch-sys found, and bakes in the rpath.

fn main() {
    let lib = std::env::var("DEP_TCH_LIBTORCH_LIB")
        .expect("torch-sys tells where libtorch is (run `cargo xtask setup`)");
    let include = std::path::Path::new(&lib).parent().expect("lib has a parent").join("include");
    println!("cargo::rustc-link-arg=-Wl,-rpath,{lib}");
    println!("cargo::rerun-if-changed=csrc");
    cc::Build::new()
        .cpp(true)
        .std("c++20")
        .opt_level(1)
        .debug(false)
        .flag_if_supported("-w")
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .file("csrc/fused.cpp")
        .compile("supple_fused");
}
