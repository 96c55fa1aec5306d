//! Puts libtorch's folder on the RUNPATH of what this package links. RUNPATH, not RPATH,
//! so that a CUDA libtorch first on `LD_LIBRARY_PATH` wins.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Some(libtorch) = std::env::var_os("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", libtorch.display());
        println!("cargo:rustc-link-arg=-Wl,--enable-new-dtags");
        // No symbol of libtorch.so is used, so the linker would leave it out; but that of a CUDA build
        // is what loads the GPU's libraries.
        println!("cargo:rustc-link-arg-bins=-L{}", libtorch.display());
        println!("cargo:rustc-link-arg-bins=-Wl,--push-state,--no-as-needed,-ltorch,--pop-state");
    }
}
