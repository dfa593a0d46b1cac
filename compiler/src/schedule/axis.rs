//! One axis of a sliding window: which taps of an output lie inside the picture.

use std::ops::Range;

use crate::ir::network::Geometry;

/// One axis of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Extent of the input, without padding.
    pub input: usize,
    /// Outputs.
    pub output: usize,
    /// Taps.
    pub kernel: usize,
    /// Step from output to output.
    pub stride: usize,
    /// Step from tap to tap.
    pub dilation: usize,
    /// Padding before the first element.
    pub pad: usize,
    /// Whether taps in the padding count like any other: padding of +1 or -1, whose bits are in the frame.
    pub framed: bool,
}

impl Axis {
    /// The vertical (0) or horizontal (1) axis of a geometry.
    pub fn of(g: &Geometry, axis: usize, framed: bool) -> Self {
        Self {
            input: g.input[axis],
            output: g.output[axis],
            kernel: g.kernel[axis],
            stride: g.strides[axis],
            dilation: g.dilations[axis],
            pad: g.pads[axis],
            framed,
        }
    }

    /// The taps of an output that count.
    pub fn taps(&self, output: usize) -> Range<usize> {
        if self.framed {
            return 0..self.kernel;
        }
        let start = output * self.stride;
        let first = self.pad.saturating_sub(start).div_ceil(self.dilation);
        let end = (self.input + self.pad).saturating_sub(start).div_ceil(self.dilation).min(self.kernel);
        first.min(end)..end
    }

    /// The outputs for which a tap counts.
    pub fn outputs(&self, tap: usize) -> Range<usize> {
        let counts = |output: &usize| self.taps(*output).contains(&tap);
        let first = (0..self.output).find(counts).unwrap_or(0);
        let end = (0..self.output).rev().find(counts).map_or(first, |last| last + 1);
        first..end
    }

    /// The share of all taps of all outputs that count.
    pub fn share(&self) -> f64 {
        let counted: usize = (0..self.output).map(|output| self.taps(output).len()).sum();
        counted as f64 / (self.output * self.kernel).max(1) as f64
    }

    /// Runs of outputs with the same taps: the first and the last of each, and its taps.
    pub fn runs(&self) -> Vec<(Range<usize>, Range<usize>)> {
        let mut runs: Vec<(Range<usize>, Range<usize>)> = Vec::new();
        for output in 0..self.output {
            let taps = self.taps(output);
            match runs.last_mut() {
                Some((outputs, same)) if *same == taps => outputs.end = output + 1,
                _ => runs.push((output..output + 1, taps)),
            }
        }
        runs
    }

    /// The taps that runs have, each once.
    pub fn classes(&self) -> Vec<Range<usize>> {
        let mut classes = Vec::new();
        for (_, taps) in self.runs() {
            if !classes.contains(&taps) {
                classes.push(taps);
            }
        }
        classes
    }

    /// The outputs all of whose taps count; those at the edges are before and behind.
    pub fn interior(&self) -> Range<usize> {
        let whole = |output: &usize| self.taps(*output) == (0..self.kernel);
        let first = (0..self.output).find(whole).unwrap_or(0);
        let end = (0..self.output).rev().find(whole).map_or(first, |last| last + 1);
        first..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_are_those_inside() {
        for (input, kernel, stride, dilation, pad) in [
            (14, 3, 1, 1, 1),
            (14, 3, 2, 1, 1),
            (7, 5, 1, 2, 4),
            (3, 7, 1, 1, 3),
            (8, 2, 2, 1, 0),
            (5, 3, 3, 2, 2),
            (1, 1, 1, 1, 0),
        ] {
            let reach = (kernel - 1) * dilation + 1;
            let output = (input + 2 * pad - reach) / stride + 1;
            let axis = Axis { input, output, kernel, stride, dilation, pad, framed: false };
            let mut counted = 0;
            for o in 0..output {
                for tap in 0..kernel {
                    let at = o * stride + tap * dilation;
                    let inside = at >= pad && at < pad + input;
                    counted += usize::from(inside);
                    assert_eq!(axis.taps(o).contains(&tap), inside, "{axis:?} {o} {tap}");
                    assert_eq!(axis.outputs(tap).contains(&o), inside, "{axis:?} {o} {tap}");
                }
                assert_eq!(axis.interior().contains(&o), axis.taps(o) == (0..kernel), "{axis:?} {o}");
                let run = axis.runs().into_iter().find(|(outputs, _)| outputs.contains(&o)).unwrap();
                assert_eq!(run.1, axis.taps(o));
            }
            assert_eq!(axis.share() * (output * kernel) as f64, counted as f64, "{axis:?}");
        }
    }
}
