//! What CPUID and XGETBV say, and what follows from it.

use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};

use crate::level::Level;

/// The registers the choice depends on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Registers {
    /// ECX of leaf 1.
    leaf1_ecx: u32,
    /// EBX of leaf 7, subleaf 0; 0 if there is no such leaf.
    leaf7_ebx: u32,
    /// ECX of leaf 7, subleaf 0; 0 if there is no such leaf.
    leaf7_ecx: u32,
    /// XCR0: the register state that the system saves; 0 if it does not say.
    xcr0: u64,
}

const FMA: u32 = 1 << 12;
const POPCNT: u32 = 1 << 23;
const OSXSAVE: u32 = 1 << 27;
const AVX: u32 = 1 << 28;
const AVX2: u32 = 1 << 5;
const AVX512F: u32 = 1 << 16;
const AVX512DQ: u32 = 1 << 17;
const AVX512BW: u32 = 1 << 30;
const AVX512VL: u32 = 1 << 31;
const AVX512_VPOPCNTDQ: u32 = 1 << 14;
const AVX512_VNNI: u32 = 1 << 11;
const AVX512_BF16: u32 = 1 << 5;
/// XMM and YMM.
const YMM_STATE: u64 = 0b110;
/// XMM, YMM, mask registers, upper halves of ZMM0-15, ZMM16-31.
const ZMM_STATE: u64 = 0b1110_0110;

impl Registers {
    /// Asks the processor.
    // Newer compilers have `__cpuid` as a safe function.
    #[allow(unused_unsafe)]
    pub(super) fn read() -> Self {
        // SAFETY: every x86-64 processor has CPUID.
        let (max, leaf1) = unsafe { (__cpuid(0).eax, __cpuid(1)) };
        // SAFETY: as above; the leaf exists.
        let leaf7 = (max >= 7).then(|| unsafe { __cpuid_count(7, 0) });
        Registers {
            leaf1_ecx: leaf1.ecx,
            leaf7_ebx: leaf7.map_or(0, |l| l.ebx),
            leaf7_ecx: leaf7.map_or(0, |l| l.ecx),
            // SAFETY: OSXSAVE says that the system has made XGETBV available.
            xcr0: if leaf1.ecx & OSXSAVE != 0 { unsafe { xcr0() } } else { 0 },
        }
    }

    /// The highest level that both the processor and the system support.
    pub(super) fn level(self) -> Level {
        let has = |register: u32, bits: u32| register & bits == bits;
        let saves = |state: u64| has(self.leaf1_ecx, OSXSAVE) && self.xcr0 & state == state;
        if !has(self.leaf1_ecx, POPCNT) {
            Level::Portable
        } else if !(saves(YMM_STATE) && has(self.leaf1_ecx, AVX | FMA) && has(self.leaf7_ebx, AVX2)) {
            Level::Popcnt
        } else if !(saves(ZMM_STATE) && has(self.leaf7_ebx, AVX512F | AVX512DQ | AVX512BW | AVX512VL)) {
            Level::Avx2
        } else if !has(self.leaf7_ecx, AVX512_VPOPCNTDQ) {
            Level::Avx512Bw
        } else {
            Level::Avx512
        }
    }
}

impl Registers {
    /// Whether the processor has AVX512_BF16 and AVX512_VNNI, beside [`Level::Avx512Bw`]; of [`leaf7_1_eax`].
    pub(super) fn narrow(self, leaf7_1_eax: u32) -> [bool; 2] {
        [leaf7_1_eax & AVX512_BF16 != 0, self.leaf7_ecx & AVX512_VNNI != 0]
            .map(|has| has && self.level() >= Level::Avx512Bw)
    }
}

/// EAX of leaf 7, subleaf 1; 0 if there is no such leaf. Apart from the other registers, as no level depends on it.
#[allow(unused_unsafe)]
pub(super) fn leaf7_1_eax() -> u32 {
    // SAFETY: every x86-64 processor has CPUID.
    let has_leaf7 = unsafe { __cpuid(0).eax >= 7 };
    // EAX of subleaf 0 is the number of the last subleaf.
    // SAFETY: the leaves exist.
    if has_leaf7 && unsafe { __cpuid_count(7, 0).eax >= 1 } { unsafe { __cpuid_count(7, 1).eax } } else { 0 }
}

/// # Safety
/// CPUID must report OSXSAVE.
#[target_feature(enable = "xsave")]
unsafe fn xcr0() -> u64 {
    // SAFETY: register 0 exists wherever XGETBV does.
    unsafe { _xgetbv(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: Registers = Registers {
        leaf1_ecx: FMA | POPCNT | OSXSAVE | AVX,
        leaf7_ebx: AVX2 | AVX512F | AVX512DQ | AVX512BW | AVX512VL,
        leaf7_ecx: AVX512_VPOPCNTDQ | AVX512_VNNI,
        xcr0: 0xe7,
    };

    #[test]
    fn every_part_counts() {
        assert_eq!(FULL.level(), Level::Avx512);
        assert_eq!(Registers::default().level(), Level::Portable);
        for (bit, level) in [(POPCNT, Level::Portable), (FMA, Level::Popcnt), (AVX, Level::Popcnt)] {
            assert_eq!(Registers { leaf1_ecx: FULL.leaf1_ecx & !bit, ..FULL }.level(), level);
        }
        for (bit, level) in [
            (AVX2, Level::Popcnt),
            (AVX512F, Level::Avx2),
            (AVX512DQ, Level::Avx2),
            (AVX512BW, Level::Avx2),
            (AVX512VL, Level::Avx2),
        ] {
            assert_eq!(Registers { leaf7_ebx: FULL.leaf7_ebx & !bit, ..FULL }.level(), level);
        }
        assert_eq!(Registers { leaf7_ecx: 0, ..FULL }.level(), Level::Avx512Bw);
    }

    #[test]
    fn the_system_must_save_the_registers() {
        assert_eq!(Registers { leaf1_ecx: FULL.leaf1_ecx & !OSXSAVE, ..FULL }.level(), Level::Popcnt);
        for (xcr0, level) in [(0, Level::Popcnt), (0b11, Level::Popcnt), (0b111, Level::Avx2), (0x67, Level::Avx2)] {
            assert_eq!(Registers { xcr0, ..FULL }.level(), level);
        }
    }

    #[test]
    fn narrow_products_are_asked_for_on_their_own() {
        assert_eq!(FULL.narrow(AVX512_BF16), [true, true]);
        // Ice Lake.
        assert_eq!(FULL.narrow(0), [false, true]);
        assert_eq!(Registers { leaf7_ecx: AVX512_VPOPCNTDQ, ..FULL }.narrow(AVX512_BF16), [true, false]);
        // Cascade Lake, Cooper Lake.
        assert_eq!(Registers { leaf7_ecx: AVX512_VNNI, ..FULL }.narrow(0), [false, true]);
        assert_eq!(Registers { leaf7_ecx: AVX512_VNNI, ..FULL }.narrow(AVX512_BF16), [true, true]);
        // VNNI of 256 bits is not asked for.
        assert_eq!(Registers { leaf7_ebx: AVX2, ..FULL }.narrow(AVX512_BF16), [false, false]);
    }

    #[test]
    fn agrees_with_the_standard_library() {
        extern crate std;
        let avx2 = std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma");
        let avx512 = avx2
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512dq")
            && std::is_x86_feature_detected!("avx512vl");
        let level = Registers::read().level();
        assert_eq!(level >= Level::Popcnt, std::is_x86_feature_detected!("popcnt"));
        assert_eq!(level >= Level::Avx2, avx2);
        assert_eq!(level >= Level::Avx512Bw, avx512);
        assert_eq!(level >= Level::Avx512, avx512 && std::is_x86_feature_detected!("avx512vpopcntdq"));
        let narrow = [std::is_x86_feature_detected!("avx512bf16"), std::is_x86_feature_detected!("avx512vnni")];
        assert_eq!(Registers::read().narrow(leaf7_1_eax()), narrow.map(|has| has && avx512));
    }
}
