//! What slides over what: extents of images, windows and strides.

/// `[n, h, w, c]` of a dense tensor of any rank: the first axis holds images, the last one channels, and those between are
/// one row of pixels, unless there are two.
pub fn image(shape: &[usize]) -> [usize; 4] {
    match *shape {
        [] => [1, 1, 1, 1],
        [c] => [1, 1, 1, c],
        [n, c] => [n, 1, 1, c],
        [n, w, c] => [n, 1, w, c],
        [n, h, w, c] => [n, h, w, c],
        [n, ref middle @ .., c] => [n, 1, middle.iter().product(), c],
    }
}

/// Geometry of a convolution. A fully connected layer is one with a 1x1 kernel over `w` rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Images.
    pub n: usize,
    /// Input height, width, channels (all groups), without padding.
    pub input: [usize; 3],
    /// Output height, width, channels (all groups).
    pub output: [usize; 3],
    /// Height, width.
    pub kernel: [usize; 2],
    /// Vertical, horizontal.
    pub strides: [usize; 2],
    /// Vertical, horizontal.
    pub dilations: [usize; 2],
    /// Top, left. (Bottom and right follow from the extents.)
    pub pads: [usize; 2],
    /// Groups.
    pub groups: usize,
}

impl Geometry {
    /// Values of the input that are neighbours in memory and in the kernel, and how many such runs a kernel row has: all of
    /// it is one, unless dilation comes between the taps. (Of the first group.)
    pub fn runs(&self) -> (usize, usize) {
        let inputs = self.input[2] / self.groups;
        if self.dilations[1] == 1 { (self.kernel[1] * inputs, 1) } else { (inputs, self.kernel[1]) }
    }

    /// 32-bit words of the input in numbers of that many bytes, framed by its padding: rows of whole words, and one more
    /// behind the last.
    pub fn narrow_words(&self, size: usize) -> usize {
        let extent = |i: usize| {
            let reach = (self.kernel[i] - 1) * self.dilations[i] + 1;
            ((self.output[i] - 1) * self.strides[i] + reach).max(self.pads[i] + self.input[i])
        };
        self.n * extent(0) * (extent(1) * self.input[2] * size).div_ceil(4) + 1
    }

    /// `[n, h, w, c]` of the output.
    pub fn extents(&self) -> [usize; 4] {
        let [h, w, c] = self.output;
        [self.n, h, w, c]
    }

    /// How far the windows reach beyond the image: top, left, bottom, right.
    pub fn reach(&self) -> [usize; 4] {
        let beyond = |axis: usize| {
            let last =
                (self.output[axis] - 1) * self.strides[axis] + (self.kernel[axis] - 1) * self.dilations[axis] + 1;
            last.saturating_sub(self.pads[axis] + self.input[axis])
        };
        [self.pads[0], self.pads[1], beyond(0), beyond(1)]
    }

    /// Multiply-accumulates, counted as in the paper's Table 1: every tap of every output, padded ones included.
    pub fn macs(&self) -> u64 {
        let [oh, ow, oc] = self.output;
        let extents = [self.n, oh, ow, oc, self.kernel[0], self.kernel[1], self.input[2] / self.groups];
        extents.iter().map(|&extent| extent as u64).product()
    }
}
