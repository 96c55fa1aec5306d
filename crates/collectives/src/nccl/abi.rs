//! The types and numbers of `nccl.h` that the table uses, each compared with the real header by
//! a test.
//!
//! Result codes are plain integers: a library newer than this file may return one that it does
//! not know, which a Rust enum must not hold.

use std::ffi::{c_int, c_uint};

use crate::DeviceElement;

/// `ncclResult_t`
pub(super) type Code = c_int;
pub(super) const SUCCESS: Code = 0;
/// What a communicator that does not block answers until its last call is through.
pub(super) const IN_PROGRESS: Code = 7;

/// `ncclRedOp_t`
pub(super) const SUM: c_int = 0;

/// `ncclDataType_t`
pub(super) fn data_type(element: DeviceElement) -> c_int {
    match element {
        DeviceElement::F32 => 7,
        DeviceElement::F64 => 8,
        DeviceElement::Bf16 => 9,
    }
}

pub(super) const UNIQUE_ID_BYTES: usize = 128;

/// `ncclUniqueId`: where the ranks of a communicator meet.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct UniqueId(pub(super) [u8; UNIQUE_ID_BYTES]);

/// `ncclComm_t`
pub(super) type Handle = *mut std::ffi::c_void;

/// `ncclConfig_t` as it was in NCCL 2.14, its first version. A library reads no more of it than
/// `size` says and takes its own defaults for the rest, so this one serves every later version.
#[repr(C)]
pub(super) struct Config {
    size: usize,
    magic: c_uint,
    version: c_uint,
    blocking: c_int,
}

/// Of `NCCL_CONFIG_INITIALIZER`.
pub(super) const MAGIC: c_uint = 0xcafe_beef;

impl Config {
    /// Calls return at once, and the communicator is asked whether they are through.
    pub(super) fn not_blocking() -> Self {
        Self {
            size: size_of::<Self>(),
            magic: MAGIC,
            version: NcclVersion::LEAST.code(),
            blocking: 0,
        }
    }
}

/// A version of NCCL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NcclVersion {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number.
    pub patch: u32,
}

impl NcclVersion {
    /// The first with communicators that do not block.
    pub const LEAST: Self = Self {
        major: 2,
        minor: 14,
        patch: 0,
    };

    /// Up to 2.8 a thousand, from then on ten thousand is the unit of the major number.
    pub(super) fn from_code(code: c_int) -> Self {
        let code = u32::try_from(code).unwrap_or(0);
        let unit = if code < 10_000 { 1000 } else { 10_000 };
        Self {
            major: code / unit,
            minor: code % unit / 100,
            patch: code % 100,
        }
    }

    /// `NCCL_VERSION_CODE` of a version from 2.9 on.
    fn code(self) -> c_uint {
        self.major * 10_000 + self.minor * 100 + self.patch
    }
}

impl std::fmt::Display for NcclVersion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn versions_are_read_from_both_kinds_of_codes() {
        for (code, text) in [
            (22_809, "2.28.9"),
            (21_403, "2.14.3"),
            (2708, "2.7.8"),
            (20_900, "2.9.0"),
        ] {
            assert_eq!(NcclVersion::from_code(code).to_string(), text);
        }
        assert!(NcclVersion::from_code(21_003) < NcclVersion::LEAST);
        assert_eq!(NcclVersion::LEAST.code(), 21_400);
    }

    /// Compiled and run beside the real `nccl.h`, whose own initializer it reads.
    #[test]
    fn layout_magic_and_numbers_are_those_of_the_real_header() {
        let Some(packages) = test_data::peers_packages() else {
            return;
        };
        let equalities = [
            ("offsetof(ncclConfig_t, size)", offset_of!(Config, size)),
            ("offsetof(ncclConfig_t, magic)", offset_of!(Config, magic)),
            ("offsetof(ncclConfig_t, version)", offset_of!(Config, version)),
            ("offsetof(ncclConfig_t, blocking)", offset_of!(Config, blocking)),
            ("sizeof(ncclUniqueId)", size_of::<UniqueId>()),
            ("sizeof(ncclResult_t)", size_of::<Code>()),
            ("sizeof(ncclRedOp_t)", size_of_val(&SUM)),
            ("sizeof(ncclDataType_t)", size_of::<c_int>()),
            ("sizeof(ncclComm_t)", size_of::<Handle>()),
            ("ncclSuccess", number(SUCCESS)),
            ("ncclInProgress", number(IN_PROGRESS)),
            ("ncclSum", number(SUM)),
            ("ncclFloat32", number(data_type(DeviceElement::F32))),
            ("ncclFloat64", number(data_type(DeviceElement::F64))),
            ("ncclBfloat16", number(data_type(DeviceElement::Bf16))),
            ("NCCL_VERSION(2, 14, 0)", NcclVersion::LEAST.code() as usize),
            ("config.magic", MAGIC as usize),
        ];
        let checks: String = equalities
            .map(|(header, own)| {
                format!(
                    "  if ((size_t)({header}) != {own}) {{ printf(\"{header} is %zu, not {own}\\n\", (size_t)({header})); return 1; }}\n"
                )
            })
            .concat();
        // What a shorter struct leaves out lies behind it in the longer one.
        let shorter = size_of::<Config>();
        let program = format!(
            "#include <stddef.h>\n#include <stdio.h>\n#include <nccl.h>\nint main(void) {{\n  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;\n{checks}  return sizeof(ncclConfig_t) < {shorter};\n}}\n"
        );
        nccl_stand_in::run_with_real_headers(&packages, &program);
    }

    fn number(code: c_int) -> usize {
        usize::try_from(code).unwrap()
    }
}
