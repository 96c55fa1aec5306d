//! The real `libnccl.so.2` of the peers' environment on a machine without a GPU: everything that
//! it answers there, and how it refuses the rest. Skipped where the environment is not there.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use collectives::{Gpu, GpuRuntime, NcclError, NcclLibrary, NcclReduce, NcclTimes, Single};
use nccl_stand_in::{StandIn, check_with_real_headers, compiled};

const TIMES: NcclTimes = NcclTimes {
    call: Duration::from_secs(20),
    abort: Duration::from_secs(5),
};

fn real_library() -> Option<PathBuf> {
    Some(test_data::peers_packages()?.join("nvidia/nccl/lib/libnccl.so.2"))
}

fn message<T: std::fmt::Debug>(result: Result<T, impl std::fmt::Display>) -> String {
    match result {
        Ok(value) => panic!("it worked: {value:?}"),
        Err(error) => error.to_string(),
    }
}

/// Opening looks every function of the table up.
#[test]
fn the_real_library_tells_its_version_and_has_every_function_of_the_table() {
    let Some(path) = real_library() else { return };
    let library = NcclLibrary::open(Some(&path)).unwrap();
    let version = library.version();
    assert_eq!((version.major, version.minor), (2, 28), "{version}");
    assert_eq!(library.name(), path.display().to_string());
}

#[test]
fn the_real_library_makes_ids_without_a_gpu_each_another_one() {
    let Some(path) = real_library() else { return };
    let library = NcclLibrary::open(Some(&path)).unwrap();
    let (first, second) = (library.unique_id().unwrap(), library.unique_id().unwrap());
    assert_eq!((first.len(), second.len()), (128, 128));
    assert_ne!(first, second);
}

/// The GPU is the stand-in's, so that NCCL itself is the first to miss one.
#[test]
fn without_a_device_the_set_up_of_the_real_library_is_refused_in_its_own_words() {
    let Some(path) = real_library() else { return };
    let has_gpu = Path::new("/dev/nvidiactl").exists();
    if has_gpu {
        return test_data::skip("there is a GPU");
    }
    let library = NcclLibrary::open(Some(&path)).unwrap();
    let stand_in = StandIn::load();
    let runtime = GpuRuntime::of_file(stand_in.path()).unwrap();
    let gpu = Gpu::open(&runtime, stand_in.gpus(1).start).unwrap();
    let said = message(NcclReduce::connect(
        &mut Single::new(),
        library,
        gpu,
        TIMES,
        Box::new(|_| {}),
    ));
    for part in [
        "rank 0: the set-up over NCCL failed in ncclCommInitRankConfig",
        "unhandled cuda error",
        "(code 1)",
        "CUDA driver version is insufficient",
        "NCCL_DEBUG=INFO",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// The runtime is the real one, which is the first to miss a driver.
#[test]
fn this_process_has_no_libtorch_with_cuda_and_says_what_to_do() {
    let said = message(GpuRuntime::of_process());
    assert!(
        said.contains("aoti_torch_get_current_cuda_stream") && said.contains("LD_LIBRARY_PATH"),
        "{said}"
    );
}

#[test]
fn a_library_that_is_not_there_is_refused_with_its_path_the_key_and_the_slower_way() {
    let said = message(NcclLibrary::open(Some(Path::new("/nowhere/libnccl.so.2"))));
    for part in [
        "/nowhere/libnccl.so.2",
        "parallel.nccl_library",
        "parallel.backend = \"mpi\"",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_file_that_is_no_nccl_is_refused_with_the_function_that_it_lacks() {
    let Some(packages) = test_data::peers_packages() else {
        return;
    };
    let other = packages.join("nvidia/cu13/lib/libcudart.so.13");
    let error = NcclLibrary::open(Some(&other)).unwrap_err();
    assert!(
        matches!(
            error,
            NcclError::MissingSymbol {
                symbol: "ncclGetVersion",
                version: None,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("libcudart.so.13"), "{error}");
}

#[test]
fn a_version_that_is_too_old_is_refused_and_both_versions_are_named() {
    let stand_in = compiled(&["STAND_IN_VERSION=21003"]);
    let said = message(NcclLibrary::open(Some(&stand_in)));
    assert!(
        said.contains("is NCCL 2.10.3, but 2.14.0 or newer is needed")
            && said.contains("parallel.nccl_library"),
        "{said}"
    );
}

#[test]
fn a_missing_function_is_refused_with_the_library_its_version_and_the_function() {
    let stand_in = compiled(&["WITHOUT_FINALIZE"]);
    let said = message(NcclLibrary::open(Some(&stand_in)));
    for part in [
        stand_in.to_str().unwrap(),
        "(NCCL 2.28.9) has no function ncclCommFinalize",
        "from 2.14.0 on",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn the_stand_in_has_the_types_of_the_real_headers() {
    let Some(packages) = test_data::peers_packages() else {
        return;
    };
    check_with_real_headers(&packages);
}
