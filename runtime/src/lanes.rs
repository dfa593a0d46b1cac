//! The width of everything.

/// Channels that are neighbours in a vector: a *block* of channels.
pub const LANES: usize = 16;

/// An expression for each lane, written out: of a loop over an array, what optimises for size would leave an array in memory, and
/// fill it with zeros first. (`core::array::map` is not always inlined, and what is not inlined is not compiled for the level.)
// WebAssembly's vectors do without.
#[allow(unused_macros)]
macro_rules! each {
    ($i:ident => $body:expr) => {
        each!($i => $body; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    ($i:ident => $body:expr; $($lane:literal)*) => {
        [$({
            const $i: usize = $lane;
            $body
        }),*]
    };
}
#[allow(unused_imports)]
pub(crate) use each;
