//! One axis of a sliding window: which taps of an output lie inside the image.

use core::ops::Range;

use crate::parts::Count;

/// One axis of a window.
#[derive(Clone, Copy)]
pub(crate) struct Axis {
    /// Extent of the input, without padding.
    pub(crate) input: usize,
    /// Taps.
    pub(crate) kernel: usize,
    /// Step from output to output.
    pub(crate) stride: usize,
    /// Step from tap to tap.
    pub(crate) dilation: usize,
    /// Padding before the first element.
    pub(crate) pad: usize,
}

impl Axis {
    /// The taps of output `o` that lie inside the image.
    #[inline(always)]
    pub(crate) fn taps(&self, o: usize) -> Range<usize> {
        let start = o * self.stride;
        if self.dilation == 0 {
            return 0..0;
        }
        let first = self.pad.saturating_sub(start).ceil_over(self.dilation);
        let end = (self.input + self.pad).saturating_sub(start).ceil_over(self.dilation).min(self.kernel);
        first.min(end)..end
    }

    /// The element under a tap that lies inside the image.
    #[inline(always)]
    pub(crate) fn position(&self, o: usize, tap: usize) -> usize {
        (o * self.stride + tap * self.dilation).saturating_sub(self.pad)
    }

    /// The outputs, of `outputs`, all of whose taps lie inside the image.
    #[inline(always)]
    pub(crate) fn interior(&self, outputs: usize) -> Range<usize> {
        if self.stride == 0 {
            return 0..0;
        }
        let first = self.pad.ceil_over(self.stride);
        // The last element under output o is o * stride - pad + (kernel - 1) * dilation.
        let reach = self.kernel.saturating_sub(1) * self.dilation;
        let end = (self.input + self.pad).saturating_sub(reach).ceil_over(self.stride).min(outputs);
        first.min(end)..end
    }
}

/// True when the product of the extents, and so each index into a tensor of that size, fits.
pub(crate) fn fits(extents: &[usize]) -> bool {
    extents.iter().try_fold(1usize, |product, &e| product.checked_mul(e)).is_some_and(|p| p <= isize::MAX as usize)
}
