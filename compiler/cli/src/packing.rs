//! Sign bits as [`BitLayout`](xnorc::ir::network::BitLayout) packs them, and back: written from its description alone, so
//! that `verify` does not check the emitted code against the code that emitted it.

use xnorc::ir::network::{NetTensor, Storage};

/// Where the elements of a tensor of bits lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packing {
    shape: [usize; 4],
    groups: usize,
    words: usize,
    frame: [usize; 4],
    frame_ones: bool,
}

impl Packing {
    /// `None` for a dense tensor.
    pub(crate) fn of(tensor: &NetTensor) -> Option<Self> {
        let Storage::Bits(layout) = &tensor.storage else { return None };
        let shape = <[usize; 4]>::try_from(tensor.shape.as_slice()).ok()?;
        let words = (shape[3] / layout.groups).div_ceil(64);
        Some(Self { shape, groups: layout.groups, words, frame: layout.frame, frame_ones: layout.frame_ones })
    }

    /// Calls `visit(word, n, h, w, group, first channel in the group, channels)` for every word, frame included; `h` and
    /// `w` are `None` in the frame.
    fn words(&self, mut visit: impl FnMut(usize, Option<[usize; 3]>, usize, usize, usize)) {
        let [count, height, width, channels] = self.shape;
        let [top, left, bottom, right] = self.frame;
        let per_group = channels / self.groups;
        let mut index = 0;
        for n in 0..count {
            for y in 0..top + height + bottom {
                for x in 0..left + width + right {
                    let inside = (top..top + height).contains(&y) && (left..left + width).contains(&x);
                    let pixel = inside.then(|| [n, y - top, x - left]);
                    for group in 0..self.groups {
                        for word in 0..self.words {
                            visit(index, pixel, group, 64 * word, (per_group - 64 * word).min(64));
                            index += 1;
                        }
                    }
                }
            }
        }
    }

    fn element(&self, [n, y, x]: [usize; 3], group: usize, channel: usize) -> usize {
        let [_, height, width, channels] = self.shape;
        ((n * height + y) * width + x) * channels + group * (channels / self.groups) + channel
    }

    /// Packs signs given as `[n, h, w, c]`, with the frame.
    pub(crate) fn pack(&self, plus: &[bool]) -> Vec<u64> {
        let mut bits = Vec::new();
        self.words(|_, pixel, group, first, count| {
            let all = if count == 64 { u64::MAX } else { (1 << count) - 1 };
            bits.push(match pixel {
                None if self.frame_ones => all,
                None => 0,
                Some(pixel) => {
                    let base = self.element(pixel, group, first);
                    (0..count).filter(|&i| plus[base + i]).fold(0, |word, i| word | 1 << i)
                }
            });
        });
        bits
    }

    /// The signs as `[n, h, w, c]`, and the number of pixels' words with a bit set behind the last channel.
    pub(crate) fn unpack(&self, bits: &[u64]) -> (Vec<bool>, usize) {
        let mut plus = vec![false; self.shape.iter().product()];
        let mut stray = 0;
        self.words(|index, pixel, group, first, count| {
            let Some(pixel) = pixel else { return };
            let base = self.element(pixel, group, first);
            for i in 0..count {
                plus[base + i] = bits[index] >> i & 1 == 1;
            }
            stray += usize::from(count < 64 && bits[index] >> count != 0);
        });
        (plus, stray)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xnorc::ir::network::BitLayout;

    fn tensor(shape: [usize; 4], groups: usize, frame: [usize; 4], frame_ones: bool) -> NetTensor {
        let storage = Storage::Bits(BitLayout { groups, frame, frame_ones });
        NetTensor { name: "t".into(), shape: shape.to_vec(), storage, origin: None }
    }

    #[test]
    fn unpack_undoes_pack() {
        for (c, groups) in [(1, 1), (3, 1), (64, 1), (65, 1), (130, 1), (6, 2), (130, 2), (200, 4)] {
            for frame in [[0; 4], [1, 1, 1, 1], [0, 2, 1, 3]] {
                let tensor = tensor([2, 3, 2, c], groups, frame, c % 2 == 0);
                let packing = Packing::of(&tensor).unwrap();
                let plus: Vec<bool> = (0..2 * 3 * 2 * c).map(|i| i * i % 7 < 3).collect();
                let bits = packing.pack(&plus);
                assert_eq!(bits.len(), tensor.storage_len());
                assert_eq!(packing.unpack(&bits), (plus, 0), "{c} {groups} {frame:?}");
            }
        }
    }

    #[test]
    fn a_small_one_by_hand() {
        // One row of two pixels with two groups of one channel, one framed pixel on the left that is +1.
        let packing = Packing::of(&tensor([1, 1, 2, 2], 2, [0, 1, 0, 0], true)).unwrap();
        assert_eq!(packing.pack(&[true, false, false, true]), [1, 1, 1, 0, 0, 1]);
    }

    #[test]
    fn bits_behind_the_last_channel_are_found() {
        let packing = Packing::of(&tensor([1, 1, 2, 3], 1, [0; 4], false)).unwrap();
        assert_eq!(packing.unpack(&[0b0111, 0b1000]).1, 1);
    }
}
