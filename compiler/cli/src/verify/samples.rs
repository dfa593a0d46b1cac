//! Pictures of random numbers, the same for the same seed on every machine.

use xnorc::ir::network::Network;
use xnorc::ir::{DType, Tensor};

/// One set of inputs, with the outputs expected for them if any are known.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// One per input of the network, in the file's layout.
    pub inputs: Vec<Tensor>,
    /// One per output, or none.
    pub expected: Vec<Tensor>,
}

impl Sample {
    /// Independent standard normal numbers.
    pub fn random(shapes: &[Vec<usize>], generator: &mut Generator) -> Self {
        let inputs = shapes
            .iter()
            .map(|shape| {
                let len = shape.iter().product();
                Tensor::f32(shape.clone(), (0..len).map(|_| generator.normal()).collect())
            })
            .collect();
        Self { inputs, expected: Vec::new() }
    }

    /// Inputs of a network: [`random`](Self::random) numbers, and whole ones within [`range`] where it takes integers or booleans.
    pub fn of(network: &Network, generator: &mut Generator) -> Self {
        let inputs = (network.inputs.iter().enumerate())
            .map(|(i, &id)| {
                let shape = network.tensor(id).shape.clone();
                let len = shape.iter().product();
                match range(network, i) {
                    None => Tensor::f32(shape, (0..len).map(|_| generator.normal()).collect()),
                    Some((low, high)) => {
                        let whole = Tensor::i64(shape, (0..len).map(|_| generator.whole(low, high)).collect());
                        whole.converted(network.tensor(id).integer().unwrap_or(DType::F32))
                    }
                }
            })
            .collect();
        Self { inputs, expected: Vec::new() }
    }
}

/// The least and the largest number that an input of integers is likely given: pictures are bytes, and wider integers indices and
/// masks, as booleans are. `None` for one of floats.
pub fn range(network: &Network, input: usize) -> Option<(f32, f32)> {
    if network.booleans.contains(&input) {
        return Some((0.0, 1.0));
    }
    let dtype = network.tensor(network.inputs[input]).integer()?;
    match dtype.bytes() {
        1 | 2 => dtype.integers().map(|range| (*range.start() as f32, *range.end() as f32)),
        _ => Some((0.0, 1.0)),
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): small, seedable, good enough for test pictures.
#[derive(Clone, Debug)]
pub struct Generator {
    state: u64,
}

impl Generator {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Within bounds, both included.
    fn whole(&mut self, low: f32, high: f32) -> i64 {
        let count = (high - low) as u64 + 1;
        low as i64 + (self.next() % count) as i64
    }

    /// In (0, 1].
    fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// A standard normal number (Box and Muller 1958).
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        (radius * (std::f64::consts::TAU * self.uniform()).cos()) as f32
    }
}

#[cfg(test)]
mod tests {
    use xnorc::ir::network::{NetTensor, Storage};

    use super::*;

    #[test]
    fn booleans_are_zeros_and_ones() {
        let mut network = Network { booleans: vec![1], ..Network::default() };
        for name in ["x", "mask"] {
            let storage = Storage::Dense(DType::F32);
            let tensor = NetTensor { name: name.into(), shape: vec![100], storage, origin: None };
            let id = network.add_tensor(tensor);
            network.inputs.push(id);
        }
        let sample = Sample::of(&network, &mut Generator::new(1));
        let whole = |i: usize| sample.inputs[i].as_f32().unwrap().iter().all(|&x| x == 0.0 || x == 1.0);
        assert!(!whole(0) && whole(1));
        let ones = sample.inputs[1].to_f32().iter().filter(|&&x| x == 1.0).count();
        assert!((20..80).contains(&ones), "{ones}");
    }

    #[test]
    fn normal_numbers_are_normal_and_repeat() {
        let draw = |seed| {
            let mut generator = Generator::new(seed);
            (0..20_000).map(|_| generator.normal()).collect::<Vec<f32>>()
        };
        let a = draw(1);
        assert_eq!(a, draw(1));
        assert_ne!(a, draw(2));
        let mean = a.iter().sum::<f32>() / 20_000.0;
        let variance = a.iter().map(|x| x * x).sum::<f32>() / 20_000.0;
        assert!(mean.abs() < 0.03, "{mean}");
        assert!((variance - 1.0).abs() < 0.05, "{variance}");
    }
}
