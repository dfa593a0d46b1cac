//! Counting down the lanes on 32-bit Arm with NEON: 64 or 128 output channels at a time.
//!
//! Stable Rust has no intrinsics there and no vector registers in `asm!`, and the compiler makes no vectors of arrays of words. What
//! a function written in assembly as a whole does is its own matter; it names the unit itself.

use core::arch::naked_asm;

/// N planes of sums of G words, 2 or 4.
#[repr(C)]
pub(crate) struct Planes<const N: usize, const G: usize> {
    pub(crate) sums: [[u32; G]; N],
    /// So that those behind the fourth are pairs: where N is odd, nothing is carried so far.
    spare: [u32; G],
}

impl<const N: usize, const G: usize> Planes<N, G> {
    /// Zeros.
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self { sums: [[0; G]; N], spare: [0; G] }
    }

    /// Adds rows of weights (see `set_bits.rs`), which begin at their numbers, in bytes from `start`.
    ///
    /// # Safety
    /// There are such rows, of G words.
    #[inline(always)]
    pub(crate) unsafe fn add(&mut self, numbers: &[u16], start: *const u8) {
        const { assert!(N > 4 && (G == 2 || G == 4), "planes behind the fourth; halves of a vector, or whole ones") };
        let add = if G == 2 { halves } else { whole };
        // SAFETY: the rows by the caller's promise, and as many planes; the function is that of G words.
        unsafe { add((&raw mut *self).cast(), numbers.as_ptr(), numbers.len(), start, (N - 3) / 2) }
    }
}

/// A function of that name: `r0` the planes, `r1` the numbers, `r2` how many, `r3` where rows begin; on the stack pairs of planes behind
/// the fourth. The lower four stay in registers, a carry of 16 rows goes up through those in memory.
macro_rules! add_rows {
    (
        $name:ident, $size:literal, $four:literal,
        $ones:literal $twos:literal $fours:literal $eights:literal $a:literal $b:literal $c:literal $d:literal $e:literal $t:literal
    ) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(planes: *mut u32, numbers: *const u16, len: usize, start: *const u8, pairs: usize) {
            // One row.
            macro_rules! load {
                ($to:literal) => {
                    concat!("ldrh r12, [r1], #2\n add r12, r12, r3\n vld1.32 {{", $to, "}}, [r12]\n")
                };
            }
            // x + y + z: the carry in x, the sum in z.
            macro_rules! full {
                ($x:literal, $y:literal, $z:literal) => {
                    concat!(
                        "veor ", $t, ", ", $x, ", ", $y, "\n vbit ", $x, ", ", $z, ", ", $t, "\n veor ", $z, ", ", $z, ", ", $t, "\n"
                    )
                };
            }
            // x + z: the carry in y, the sum in z.
            macro_rules! half {
                ($x:literal, $y:literal, $z:literal) => {
                    concat!("vand ", $y, ", ", $z, ", ", $x, "\n veor ", $z, ", ", $z, ", ", $x, "\n")
                };
            }
            // Four rows: what they carry to the fours in x.
            macro_rules! four {
                ($x:literal, $y:literal) => {
                    concat!(
                        load!($x), load!($b), full!($x, $b, $ones),
                        load!($y), load!($b), full!($y, $b, $ones),
                        full!($x, $y, $twos)
                    )
                };
            }
            // The carry a goes up.
            macro_rules! up {
                () => {
                    concat!(
                        "mov r4, r0\n mov r12, r5\n 9:\n",
                        "vld1.32 {{", $b, "}}, [r4]\n", half!($a, $c, $b), "vst1.32 {{", $b, "}}, [r4]!\n",
                        "vld1.32 {{", $b, "}}, [r4]\n", half!($c, $a, $b), "vst1.32 {{", $b, "}}, [r4]!\n",
                        "subs r12, r12, #1\n bne 9b\n"
                    )
                };
            }
            naked_asm!(
                ".fpu neon-vfpv4",
                "push {{r4, r5, r6, lr}}",
                "ldr r5, [sp, #16]",
                concat!("vldmia r0!, ", $four),
                "subs r2, r2, #16",
                "blo 2f",
                "1:",
                concat!(four!($a, $c), four!($c, $d), full!($a, $c, $fours)),
                concat!(four!($c, $d), four!($d, $e), full!($c, $d, $fours)),
                full!($a, $c, $eights),
                up!(),
                "subs r2, r2, #16",
                "bhs 1b",
                "2:",
                // Up to 15 are left, of which one carry at most goes up.
                "adds r2, r2, #16",
                "beq 6f",
                concat!("vmov.i32 ", $a, ", #0"),
                "subs r2, r2, #2",
                "blo 4f",
                "3:",
                concat!(load!($c), load!($b), full!($c, $b, $ones)),
                concat!(half!($c, $d, $twos), half!($d, $c, $fours), half!($c, $d, $eights)),
                concat!("vorr ", $a, ", ", $a, ", ", $d),
                "subs r2, r2, #2",
                "bhs 3b",
                "4:",
                "cmn r2, #1",
                "bne 5f",
                concat!(load!($c), half!($c, $d, $ones), half!($d, $c, $twos), half!($c, $d, $fours), half!($d, $c, $eights)),
                concat!("vorr ", $a, ", ", $a, ", ", $c),
                "5:",
                up!(),
                "6:",
                concat!("sub r0, r0, #", $size),
                concat!("vstmia r0, ", $four),
                "pop {{r4, r5, r6, pc}}",
            )
        }
    };
}

add_rows!(halves, 32, "{{d0-d3}}", "d0" "d1" "d2" "d3" "d16" "d17" "d18" "d19" "d20" "d21");
add_rows!(whole, 64, "{{d0-d7}}", "q0" "q1" "q2" "q3" "q8" "q9" "q10" "q11" "q12" "q13");
