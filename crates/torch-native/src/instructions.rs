//! Which copy of a kernel runs: plain, for AVX2 or for AVX-512.
//!
//! A kernel is written once and compiled for each. The copy for AVX-512 computes with the vectors
//! of the AVX2 copy, so its bits are the same, and has twice as many registers and the masks.

/// Which copy of the kernels runs: a value that is handed down, so that tests run every copy that
/// the processor has. The better ones are greater; only [`Instructions::detect`] makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(crate) enum Instructions {
    /// What every processor has.
    Portable,
    /// AVX2 with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// The same vectors, which give the same bits, with the 32 registers of AVX-512.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Instructions {
    /// The best that this processor has.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            let has_avx512 = std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512vl")
                && std::arch::is_x86_feature_detected!("avx512bw")
                && std::arch::is_x86_feature_detected!("avx512dq");
            return if has_avx512 { Self::Avx512 } else { Self::Avx2 };
        }
        Self::Portable
    }

    /// All that this processor has.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        let all = [
            Self::Portable,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512,
        ];
        let best = Self::detect();
        all.into_iter().filter(|one| *one <= best).collect()
    }
}

/// Defines `$on`, which runs the copy of the kernel `$kernel` for the [`Instructions`] that are
/// its first argument. The including file says why it has unsafe code.
macro_rules! each_copy {
    ($visible:vis fn $on:ident $(<$number:ident: $bound:ident>)? = $kernel:ident($($argument:ident: $kind:ty),* $(,)?)) => {
        $visible fn $on $(<$number: $bound>)? (
            instructions: crate::instructions::Instructions,
            $($argument: $kind),*
        ) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2 $(<$number: $bound>)? ($($argument: $kind),*) {
                $kernel::<crate::lanes::Avx2 $(, $number)?>($($argument),*);
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")]
            fn avx512 $(<$number: $bound>)? ($($argument: $kind),*) {
                $kernel::<crate::lanes::Avx2 $(, $number)?>($($argument),*);
            }
            match instructions {
                crate::instructions::Instructions::Portable => {
                    $kernel::<crate::lanes::Portable $(, $number)?>($($argument),*);
                }
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `detect` saw AVX2 and FMA.
                crate::instructions::Instructions::Avx2 => unsafe { avx2 $(::<$number>)? ($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `detect` saw these, too.
                crate::instructions::Instructions::Avx512 => unsafe { avx512 $(::<$number>)? ($($argument),*) },
            }
        }
    };
}

/// Defines `$best`, which runs the best copy of a kernel that every copy computes to the same bits:
/// integers, and sums and products that are rounded one by one. The including file says why it has
/// unsafe code.
macro_rules! best_copy {
    (fn $best:ident = $kernel:ident<$number:ident: $bound:ident>($($argument:ident: $kind:ty),* $(,)?)) => {
        fn $best<$number: $bound>($($argument: $kind),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2<$number: $bound>($($argument: $kind),*) {
                $kernel($($argument),*);
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,avx512f,avx512vl,avx512bw,avx512dq")]
            fn avx512<$number: $bound>($($argument: $kind),*) {
                $kernel($($argument),*);
            }
            match crate::instructions::Instructions::detect() {
                crate::instructions::Instructions::Portable => $kernel($($argument),*),
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `detect` saw AVX2.
                crate::instructions::Instructions::Avx2 => unsafe { avx2($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `detect` saw these.
                crate::instructions::Instructions::Avx512 => unsafe { avx512($($argument),*) },
            }
        }
    };
}

pub(crate) use {best_copy, each_copy};
