//! What the tests of several files share.

/// Numbers that look random, the same in every run: the states of Knuth's linear congruential generator. Their high bits are the better
/// ones.
pub(crate) fn words() -> impl FnMut() -> u64 {
    let mut state = 1_u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state
    }
}
