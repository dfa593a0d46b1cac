//! A picture's channels, laid out so that a convolution is a walk along one line.
//!
//! Each channel is copied once with zeros around it. On that line the values that tap (i, j) of a kernel meets lie a
//! constant distance behind those of tap (0, 0), for all places of the output at once. A stride s makes s² planes of a
//! channel, one for each remainder of rows and columns. Between two rows the zeros are shared: what hangs over the
//! right border of one row meets the left border of the next.

/// A convolution: all pictures of one size, square kernels, no bias, no groups, no dilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Channels in, channels out.
    pub channels: [usize; 2],
    /// Rows and columns of the input.
    pub size: [usize; 2],
    /// Side of the kernel.
    pub kernel: usize,
    /// In both directions.
    pub stride: usize,
    /// Zeros on each side.
    pub pad: usize,
}

impl Geometry {
    /// Rows and columns of the output.
    pub(crate) fn output(&self) -> [usize; 2] {
        self.size.map(|n| (n + 2 * self.pad).saturating_sub(self.kernel) / self.stride + 1)
    }

    /// Whether the kernel fits into the padded picture.
    pub(crate) fn fits(&self) -> bool {
        self.stride > 0 && self.size.iter().all(|n| n + 2 * self.pad >= self.kernel)
    }

    /// Taps of one channel.
    pub(crate) fn taps(&self) -> usize {
        self.kernel * self.kernel
    }

    /// Values of a picture that goes in.
    pub(crate) fn input_len(&self) -> usize {
        self.channels[0] * self.size[0] * self.size[1]
    }

    /// Values of a picture that comes out.
    pub(crate) fn output_len(&self) -> usize {
        let [rows, columns] = self.output();
        self.channels[1] * rows * columns
    }
}

/// Where the values of a channel go on its line.
#[derive(Clone, Debug)]
pub(super) struct Planes {
    size: [usize; 2],
    stride: usize,
    /// Zeros before the first row and the first column, in steps of the picture as it was.
    pad: usize,
    /// From one row to the next.
    pub(super) pitch: usize,
    /// From one plane to the next.
    plane: usize,
}

impl Planes {
    /// For a forward pass, and for the gradient of the weights.
    pub(super) fn of_input(g: &Geometry) -> Self {
        let [rows, columns] = g.output();
        let reach = (g.kernel - 1) / g.stride;
        // With a stride of 1 both borders are `pad` wide, and one of them is enough.
        let pitch = if g.stride == 1 { columns.max(g.size[1] + g.pad) } else { columns + reach };
        Self { size: g.size, stride: g.stride, pad: g.pad, pitch, plane: (rows + reach) * pitch }
    }

    /// For the gradient of the input, which is made of the output's: its taps reach back.
    pub(super) fn of_output(g: &Geometry) -> Self {
        let [rows, columns] = g.output();
        let (reach, first) = (reach(g), first(g));
        let left = reach - first;
        // The last place that any input meets, and how far it is beyond the border.
        let over = |n: usize, out: usize| ((n - 1 + g.pad) / g.stride + 1).saturating_sub(out);
        let pitch = columns + left.max(over(g.size[1], columns));
        let plane = (rows + left + over(g.size[0], rows)) * pitch;
        Self { size: [rows, columns], stride: 1, pad: left, pitch, plane }
    }

    /// From one channel to the next.
    pub(super) fn channel(&self) -> usize {
        self.stride * self.stride * self.plane
    }

    /// Where tap (i, j) of channel 0 begins.
    pub(super) fn tap(&self, i: usize, j: usize) -> usize {
        let s = self.stride;
        (i % s * s + j % s) * self.plane + i / s * self.pitch + j / s
    }

    /// Length of a line that holds `channels` channels and can be read `beyond` its end.
    pub(super) fn len(&self, channels: usize, beyond: usize) -> usize {
        channels * self.channel() + self.pitch + beyond
    }

    /// Copies a picture's channels to `line`, which was zeros before it held pictures like this one.
    pub(super) fn fill(&self, picture: &[f32], line: &mut [f32]) {
        let ([rows, columns], s) = (self.size, self.stride);
        for (values, line) in picture.chunks_exact(rows * columns).zip(line.chunks_exact_mut(self.channel())) {
            for (y, values) in values.chunks_exact(columns).enumerate() {
                let row = y + self.pad;
                let start = row / s * self.pitch + row % s * s * self.plane;
                if s == 1 {
                    let to = &mut line[start + self.pad..][..columns];
                    to.iter_mut().zip(values).for_each(|(to, value)| *to = *value);
                } else {
                    for (x, value) in values.iter().enumerate() {
                        let column = x + self.pad;
                        let at = start + column % s * self.plane + column / s;
                        // Rows and columns that no tap meets have no place.
                        if row / s * self.pitch < self.plane && column / s < self.pitch {
                            line[at] = *value;
                        }
                    }
                }
            }
        }
    }
}

/// How many steps of the output a kernel reaches back from an input.
fn reach(g: &Geometry) -> usize {
    (g.kernel - 1) / g.stride
}

/// The first step of the output, counted from the padded border, that every input is at or behind.
fn first(g: &Geometry) -> usize {
    (g.pad / g.stride).min(reach(g))
}

/// Places of the output that a walk passes which are none: beyond the right border of a row.
pub(super) const NOWHERE: u32 = u32::MAX;

/// One walk: which taps are added up, and where the sums go.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// Beginnings of the taps on the line, channel by channel.
    pub(super) taps: Vec<usize>,
    /// For each tap, its place in the kernel.
    pub(super) places: Vec<usize>,
    /// Where in the plane of the output the sum at each step goes, or [`NOWHERE`].
    pub(super) map: Vec<u32>,
}

impl Walk {
    /// The forward pass, over so many channels.
    pub(super) fn forward(g: &Geometry, planes: &Planes, channels: usize) -> Self {
        let [rows, columns] = g.output();
        let k = g.kernel;
        let taps = (0..channels)
            .flat_map(|c| (0..k * k).map(move |t| c * planes.channel() + planes.tap(t / k, t % k)))
            .collect();
        let map = (0..(rows - 1) * planes.pitch + columns)
            .map(|step| {
                let (y, x) = (step / planes.pitch, step % planes.pitch);
                if x < columns { (y * columns + x) as u32 } else { NOWHERE }
            })
            .collect();
        Self { taps, places: (0..k * k).collect(), map }
    }

    /// The gradient of the input: a walk for each remainder of rows and columns, over `g.channels[1]` channels.
    pub(super) fn backward(g: &Geometry, planes: &Planes) -> Vec<Self> {
        let (s, k, reach, first) = (g.stride, g.kernel, reach(g), first(g));
        let [rows, columns] = g.size;
        let steps = |n: usize| (n - 1 + g.pad) / s + 1 - first;
        let mut walks = Vec::new();
        for (a, b) in (0..s).flat_map(|a| (0..s).map(move |b| (a, b))) {
            let ours = |a: usize| (a..k).step_by(s);
            let pairs: Vec<[usize; 2]> = ours(a).flat_map(|i| ours(b).map(move |j| [i, j])).collect();
            let taps = (0..g.channels[1])
                .flat_map(|c| pairs.iter().map(move |[i, j]| (c, reach - i / s, reach - j / s)))
                .map(|(c, i, j)| c * planes.channel() + i * planes.pitch + j)
                .collect();
            let place = |step: usize, a: usize, n: usize| {
                (s * (step + first) + a).checked_sub(g.pad).filter(|&place| place < n)
            };
            let map = (0..(steps(rows) - 1) * planes.pitch + steps(columns))
                .map(|step| {
                    let y = place(step / planes.pitch, a, rows);
                    // A row's last step may be behind its pitch's end only where nothing is.
                    let x = place(step % planes.pitch, b, columns);
                    y.zip(x).map_or(NOWHERE, |(y, x)| (y * columns + x) as u32)
                })
                .collect();
            walks.push(Self { taps, places: pairs.iter().map(|[i, j]| i * k + j).collect(), map });
        }
        walks
    }
}
