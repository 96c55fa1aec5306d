//! Numbers in the memory of a device, as whoever sums them there is told of them.

use std::fmt;

/// Numbers that lie one after the other in the memory of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceBuffer {
    /// Where the first begins.
    pub address: usize,
    /// How many.
    pub count: usize,
    /// Their kind.
    pub element: DeviceElement,
}

/// The numbers that are summed on devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceElement {
    /// 32-bit floating point.
    F32,
    /// 64-bit floating point.
    F64,
    /// The upper half of an f32.
    Bf16,
}

impl DeviceElement {
    fn size_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Bf16 => 2,
        }
    }
}

impl fmt::Display for DeviceElement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Bf16 => "bf16",
        })
    }
}

impl DeviceBuffer {
    pub(crate) fn bytes(&self) -> usize {
        self.count.saturating_mul(self.element.size_bytes())
    }
}
