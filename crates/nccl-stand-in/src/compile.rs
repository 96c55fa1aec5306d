//! Compiles the stand-in, and programs that compare it and the table in Rust with real headers.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const SOURCE: &str = include_str!("../c/nccl_stand_in.c");

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("c").join(name)
}

/// The stand-in as a shared library, with these macros defined; compiled once a source.
///
/// # Panics
/// Where there is no C compiler, or no place below `target/` to write.
pub fn compiled(defines: &[&str]) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    (SOURCE, defines).hash(&mut hasher);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/nccl-stand-in");
    let library = folder.join(format!("libnccl-stand-in-{:016x}.so", hasher.finish()));
    if library.is_file() {
        return library;
    }
    std::fs::create_dir_all(&folder).unwrap();
    let beside = tempfile::tempdir_in(&folder).unwrap();
    let file = beside.path().join("stand_in.so");
    let mut command = Command::new("cc");
    command.args(["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror"]);
    // Its functions call each other, not those of the same names that the process has already.
    command.args(["-shared", "-fPIC", "-pthread", "-Wl,-Bsymbolic"]);
    command.args(defines.iter().map(|define| format!("-D{define}")));
    run(command.arg(source("nccl_stand_in.c")).arg("-o").arg(&file));
    // Another test may have been faster, with the same bytes.
    std::fs::rename(&file, &library).unwrap();
    library
}

/// Compiles the stand-in against the headers of NCCL, CUDA and libtorch below `packages` (the
/// peers' `site-packages`), which refuse a function whose type is not theirs.
///
/// # Panics
/// Where they do.
pub fn check_with_real_headers(packages: &Path) {
    let mut command = Command::new("cc");
    command.args([
        "-std=gnu11",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fsyntax-only",
        "-DREAL_HEADERS",
    ]);
    run(include_real_headers(&mut command, packages).arg(source("nccl_stand_in.c")));
    let mut command = Command::new("c++");
    command.args(["-std=c++17", "-fsyntax-only", "-I"]);
    run(command
        .arg(packages.join("torch/include"))
        .arg(source("libtorch_types.cpp")));
}

/// Compiles a C program against the real headers, and runs it.
///
/// # Panics
/// Where it does not compile, or ends with another code than 0; it prints why.
pub fn run_with_real_headers(packages: &Path, program: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("program");
    let mut command = Command::new("cc");
    include_real_headers(&mut command, packages);
    command.args(["-x", "c", "-", "-o"]).arg(&file);
    let mut compiler = command.stdin(Stdio::piped()).spawn().unwrap();
    compiler
        .stdin
        .take()
        .unwrap()
        .write_all(program.as_bytes())
        .unwrap();
    assert!(
        compiler.wait().unwrap().success(),
        "this does not compile:\n{program}"
    );
    run(&mut Command::new(&file));
}

fn include_real_headers<'a>(command: &'a mut Command, packages: &Path) -> &'a mut Command {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("c/real_headers");
    for folder in [
        own,
        packages.join("nvidia/nccl/include"),
        packages.join("nvidia/cu13/include"),
    ] {
        command.arg("-I").arg(folder);
    }
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
