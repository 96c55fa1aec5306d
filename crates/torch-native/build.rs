//! Compiles the C++ shim against the headers of the libtorch that `tch` found, and puts
//! libtorch's folder on the RUNPATH of what this package links. RUNPATH, not RPATH, so that
//! a CUDA libtorch first on `LD_LIBRARY_PATH` wins.

use std::path::PathBuf;

const FILES: [&str; 4] = [
    "src/shim.cpp",
    "src/gpu.cpp",
    "src/operators.cpp",
    "src/allocator.cpp",
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/shim.h");
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    println!("cargo:rerun-if-env-changed=LIBTORCH_CXX11_ABI");
    let Some(lib) = std::env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from) else {
        println!("cargo:warning=torch-sys did not report libtorch's folder; the shim cannot be built");
        return;
    };
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    println!("cargo:rustc-link-arg=-Wl,--enable-new-dtags");
    let include = lib.join("../include");
    let cxx11_abi = std::env::var_os("LIBTORCH_CXX11_ABI").and_then(|value| value.into_string().ok());
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .pic(true)
        .opt_level(2)
        .warnings(false)
        // OpenMP: at::parallel_for is a header template that is serial without it.
        .flag("-fopenmp")
        .define("_GLIBCXX_USE_CXX11_ABI", cxx11_abi.as_deref().unwrap_or("1"))
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .files(FILES)
        .compile("tenk_shim");
}
