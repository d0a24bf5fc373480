//! Which instructions the processor has, and which are used.

use std::sync::OnceLock;

use super::{Kernel, LANES, Real};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// 512-bit registers.
    Avx512,
    /// 256-bit registers with fused multiply-add.
    Avx2,
    /// Plain loops: any processor, and slow where multiply-add is not an instruction.
    Portable,
}

impl Isa {
    /// Those that this processor has, the fastest first.
    pub fn available() -> Vec<Isa> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                all.push(Isa::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                all.push(Isa::Avx2);
            }
        }
        all.push(Isa::Portable);
        all
    }

    /// As its makers write it.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Avx512 => "AVX-512",
            Isa::Avx2 => "AVX2",
            Isa::Portable => "no vector instructions",
        }
    }

    /// The fastest that this processor has, or a slower one that the environment variable `SUPPLE_ISA` names, as one of
    /// another machine: results are the same.
    pub fn best() -> Isa {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Isa::asked().unwrap_or_else(|_| Isa::available()[0]))
    }

    /// What `SUPPLE_ISA` asks for; the fastest without it.
    ///
    /// # Errors
    /// One sentence when this processor does not have it.
    pub fn asked() -> Result<Isa, String> {
        let all = Isa::available();
        let Some(asked) = std::env::var_os("SUPPLE_ISA") else { return Ok(all[0]) };
        let asked = asked.to_string_lossy();
        let names: Vec<&str> = all.iter().map(|isa| isa.key()).collect();
        all.iter().copied().find(|isa| isa.key() == asked).ok_or_else(|| {
            format!(
                "SUPPLE_ISA is \"{asked}\" and this processor has {}; name one of them or unset it",
                names.join(", ")
            )
        })
    }

    /// As `SUPPLE_ISA` names it.
    fn key(self) -> &'static str {
        match self {
            Isa::Avx512 => "avx512",
            Isa::Avx2 => "avx2",
            Isa::Portable => "portable",
        }
    }

    /// Computes `kernel` with these instructions.
    pub(crate) fn run<T: Real, K: Kernel<T>>(self, kernel: K) -> K::Output {
        match self {
            // SAFETY: an `Isa` other than the portable one comes from `available`, which asked the processor.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { avx512::run(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { avx2::run(kernel) },
            _ => kernel.run::<[T; LANES]>(),
        }
    }
}
