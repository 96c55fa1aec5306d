//! Which arithmetic the encoder computes in: what was asked for, held against the processor.
//!
//! Vectors are f32 whatever the precision: pooling is in f32, products alone are rounded.

use model::Precision;

use crate::error::EmbeddingError;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PrecisionChoice {
    /// f32 throughout: the same vectors on every machine, to rounding.
    #[default]
    F32,
    /// Matrix products in bf16: vectors differ in the third digit.
    Bf16,
    /// bf16 where the processor has instructions for it, else f32.
    Auto,
}

impl PrecisionChoice {
    /// What this processor computes in.
    ///
    /// # Errors
    /// [`EmbeddingError::SlowPrecision`] for bf16 without instructions, where it would be a
    /// hundred times slower than f32.
    pub(crate) fn decide(self) -> Result<Precision, EmbeddingError> {
        self.on(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
    }

    /// `cpuinfo` is the text of `/proc/cpuinfo`.
    fn on(self, cpuinfo: &str) -> Result<Precision, EmbeddingError> {
        let has_bf16 = cpuinfo
            .lines()
            .filter(|line| line.starts_with("flags"))
            .take(1)
            .flat_map(str::split_whitespace)
            .any(|flag| flag == "avx512_bf16" || flag == "amx_bf16");
        match self {
            Self::Bf16 if !has_bf16 => Err(EmbeddingError::SlowPrecision),
            Self::Bf16 | Self::Auto if has_bf16 => Ok(Precision::Bf16),
            _ => Ok(Precision::F32),
        }
    }
}

/// The precision as the command line spells it.
pub(crate) fn name(precision: Precision) -> &'static str {
    match precision {
        Precision::F64 => "f64",
        Precision::F32 => "f32",
        Precision::Bf16 => "bf16",
        Precision::Fp16 => "fp16",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_what_the_processor_has_and_bf16_without_instructions_is_refused() {
        let new = "model name\t: one\nflags\t\t: fpu avx512f avx512_bf16 sse\n";
        let old = "model name\t: two avx512_bf16\nflags\t\t: fpu avx2\n";
        let on = |choice: PrecisionChoice, cpuinfo| choice.on(cpuinfo).ok();
        assert_eq!(on(PrecisionChoice::Auto, new), Some(Precision::Bf16));
        assert_eq!(on(PrecisionChoice::Bf16, new), Some(Precision::Bf16));
        assert_eq!(on(PrecisionChoice::F32, new), Some(Precision::F32));
        assert_eq!(on(PrecisionChoice::Auto, old), Some(Precision::F32));
        assert_eq!(on(PrecisionChoice::Auto, ""), Some(Precision::F32));
        let error = PrecisionChoice::Bf16.on(old).unwrap_err().to_string();
        assert!(error.contains("f32") && error.contains("auto"), "{error}");
    }
}
