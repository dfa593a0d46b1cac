//! Attention maps of sample pictures.

use super::{Sample, values};
use crate::config::{AttentionNorm, Points};
use crate::data::Raster;
use crate::loss::attention_map;
use crate::nn::Network;

/// Where a network looks at one point, at the size it has there.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Rows and columns.
    pub size: [usize; 2],
    /// Row by row; their squares add up to 1.
    pub values: Vec<f32>,
}

/// A picture with the maps of networks.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// As it is seen.
    pub picture: Raster,
    /// Its class.
    pub label: u32,
    /// The maps of each network, in the order of the points.
    pub maps: Vec<Vec<Map>>,
}

/// The attention maps of `networks` (a teacher and its student) on the same pictures; networks and pictures are on the
/// same device.
pub fn attention(networks: &[&Network], points: Points, sample: &Sample) -> Vec<Look> {
    let mut looks: Vec<Look> = sample
        .pictures
        .iter()
        .zip(&sample.labels)
        .map(|(picture, &label)| Look { picture: picture.clone(), label, maps: Vec::new() })
        .collect();
    for network in networks {
        looks.iter_mut().for_each(|look| look.maps.push(Vec::new()));
        for features in network.run(sample.tensor.clone(), Some(points)).points {
            let [_, _, rows, columns] = features.dims();
            let maps = values(attention_map(features, AttentionNorm::L2));
            for (look, map) in looks.iter_mut().zip(maps.chunks(rows * columns)) {
                let map = Map { size: [rows, columns], values: map.to_vec() };
                look.maps.last_mut().into_iter().for_each(|maps| maps.push(map.clone()));
            }
        }
    }
    looks
}
