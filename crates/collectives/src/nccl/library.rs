//! NCCL as a table of its functions, found when the program runs.
//!
//! Nothing links NCCL, so one program serves machines with and without GPUs. A CUDA build of
//! libtorch brings its own `libnccl.so.2`, which the loader then finds in the process; another
//! one is named by its path. A library that was opened once stays: threads of its own run in it.
#![expect(unsafe_code, reason = "looks up and calls functions of a shared library")]

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    mem::ManuallyDrop,
    path::Path,
    ptr,
};

use libloading::os::unix::Library;

use super::{
    abi::{Code, Config, Handle, NcclVersion, SUCCESS, UNIQUE_ID_BYTES, UniqueId},
    error::NcclError,
    table::table,
};

/// What the loader looks for, by the search path of the process.
const SONAME: &str = "libnccl.so.2";

table! {
    /// What every NCCL since 2.0 has, and what tells one that is too old from one that is broken.
    struct VersionTable {
        get_version: "ncclGetVersion" fn(*mut c_int) -> Code;
    }
}

table! {
    /// The functions that gradients need.
    struct Functions {
        get_unique_id: "ncclGetUniqueId" fn(*mut UniqueId) -> Code;
        comm_init_rank_config: "ncclCommInitRankConfig" fn(*mut Handle, c_int, UniqueId, c_int, *mut Config) -> Code;
        comm_get_async_error: "ncclCommGetAsyncError" fn(Handle, *mut Code) -> Code;
        all_reduce: "ncclAllReduce" fn(*const c_void, *mut c_void, usize, c_int, c_int, Handle, *mut c_void) -> Code;
        group_start: "ncclGroupStart" fn() -> Code;
        group_end: "ncclGroupEnd" fn() -> Code;
        comm_finalize: "ncclCommFinalize" fn(Handle) -> Code;
        comm_destroy: "ncclCommDestroy" fn(Handle) -> Code;
        comm_abort: "ncclCommAbort" fn(Handle) -> Code;
        get_error_string: "ncclGetErrorString" fn(Code) -> *const c_char;
        get_last_error: "ncclGetLastError" fn(Handle) -> *const c_char;
    }
}

/// An NCCL that was found, with everything that gradients need.
#[derive(Debug, Clone)]
pub struct NcclLibrary {
    name: String,
    version: NcclVersion,
    pub(super) functions: Functions,
}

impl NcclLibrary {
    /// Opens the library at `path`, or the one that the loader finds.
    ///
    /// # Errors
    /// [`NcclError::NotFound`], [`NcclError::TooOld`] and [`NcclError::MissingSymbol`], each with
    /// the library's name and the way out.
    pub fn open(path: Option<&Path>) -> Result<Self, NcclError> {
        let name = path.map_or_else(|| SONAME.to_owned(), |path| path.display().to_string());
        let file = path.map_or_else(|| SONAME.as_ref(), Path::as_os_str);
        // SAFETY: the initializers of NCCL itself run here; they set up its own memory only. A
        // file that is no NCCL has no `ncclGetVersion` and is refused below.
        let library = unsafe { Library::new(file) }.map_err(|error| NcclError::NotFound {
            library: name.clone(),
            message: error.to_string(),
        })?;
        // Functions of the table are called as long as the process lives.
        let library = ManuallyDrop::new(library);
        let version = version(&library, &name)?;
        if version < NcclVersion::LEAST {
            return Err(NcclError::TooOld {
                library: name,
                version,
            });
        }
        // SAFETY: names that begin with `nccl` in a library that tells an NCCL version are
        // NCCL's, whose C interface only ever grew; the library is never closed.
        let functions =
            unsafe { Functions::look_up(&library) }.map_err(|missing| NcclError::MissingSymbol {
                library: name.clone(),
                version: Some(version),
                symbol: missing.symbol,
                message: missing.message,
            })?;
        Ok(Self {
            name,
            version,
            functions,
        })
    }

    /// The path that was opened, or the name that the loader looked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version.
    pub fn version(&self) -> NcclVersion {
        self.version
    }

    /// A new meeting point for the ranks of a communicator. Needs no GPU.
    ///
    /// # Errors
    /// [`NcclError::NoUniqueId`] with NCCL's own words.
    pub fn unique_id(&self) -> Result<Vec<u8>, NcclError> {
        let mut id = UniqueId([0; UNIQUE_ID_BYTES]);
        // SAFETY: NCCL writes the id, which lives through the call.
        let code = unsafe { (self.functions.get_unique_id)(&raw mut id) };
        if code == SUCCESS {
            return Ok(id.0.to_vec());
        }
        Err(NcclError::NoUniqueId {
            library: self.name.clone(),
            message: self.words_for(code),
        })
    }

    /// What NCCL says about a result that is no success.
    pub(super) fn words_for(&self, code: Code) -> String {
        // SAFETY: both return texts of NCCL's own, or null; the argument of the second is unused
        // by NCCL, which keeps the last error of the process.
        let (text, last) = unsafe {
            (
                text((self.functions.get_error_string)(code)),
                text((self.functions.get_last_error)(ptr::null_mut())),
            )
        };
        let text = text.unwrap_or_else(|| "no text".to_owned());
        match last.filter(|last| !last.is_empty()) {
            Some(last) => format!("{text} (code {code}): {last}"),
            None => format!("{text} (code {code})"),
        }
    }
}

/// # Safety
/// `text` has to be null or a C string that lives through the call.
unsafe fn text(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, so a C string by the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    Some(text.to_string_lossy().trim().to_owned())
}

fn version(library: &Library, name: &str) -> Result<NcclVersion, NcclError> {
    // SAFETY: `ncclGetVersion` has had this type since NCCL 2.0; the library is never closed.
    let table = unsafe { VersionTable::look_up(library) }.map_err(|missing| NcclError::MissingSymbol {
        library: name.to_owned(),
        version: None,
        symbol: missing.symbol,
        message: missing.message,
    })?;
    let mut code = 0;
    // SAFETY: NCCL writes one integer, which lives through the call.
    unsafe { (table.get_version)(&raw mut code) };
    Ok(NcclVersion::from_code(code))
}
