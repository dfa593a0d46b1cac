//! The graph: what the file says, in few operators, every shape known.
//!
//! One [`Graph`] type serves two of the three levels of the compiler: the graph as imported (ONNX terms,
//! NCHW) and the graph normalised (one spelling per idea, channels last). The third level, the blocks that
//! are emitted, is [`crate::ir::network::Network`]. [`std::fmt::Display`] prints one line per node.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::binary_weights::BinaryWeights;
use super::functions::{Binary, Reduction, Unary};
use super::part::Part;
use super::tensor::{DType, Shape, Tensor};
use crate::diagnostics::Diagnostics;
use crate::exact::{Affine, Zero};

/// A handle on a value of one graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub u32);

/// Where a value stands in the file, so that `verify` can ask another engine for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The ONNX value.
    pub name: String,
    /// Shape of the ONNX value.
    pub shape: Shape,
    /// `None`: same elements in the same order (the shapes may differ). `Some(p)`: this value is the ONNX
    /// value transposed by `p` (axis `i` of this value is axis `p[i]` of the ONNX one).
    pub permutation: Option<Vec<usize>>,
    /// `Some([a, b])`: this value is not the number, but -1 where that is nearer to `a`, and +1 where it is nearer to `b`: one of the
    /// bits of an ONNX value that takes a few numbers.
    pub between: Option<[f32; 2]>,
}

impl Origin {
    /// The same place, of a value with the same elements.
    pub fn new(name: impl Into<String>, shape: impl Into<Shape>) -> Self {
        Self { name: name.into(), shape: shape.into(), permutation: None, between: None }
    }

    /// This value's element, from that of the ONNX value.
    pub fn element(&self, x: f32) -> f32 {
        match self.between {
            Some([a, b]) if !x.is_nan() => ((x - a).abs() - (x - b).abs()).signum(),
            _ => x,
        }
    }

    /// Of a bit of a value there: which of two of its numbers is nearer.
    pub fn of_bit(self, [a, b]: [f64; 2]) -> Option<Self> {
        let between = [a as f32, b as f32];
        let apart = between.iter().all(|x| x.is_finite()) && between[0] != between[1];
        (self.between.is_none() && apart).then_some(Self { between: Some(between), ..self })
    }
}

/// A value: an edge of the graph.
#[derive(Clone, Debug)]
pub struct Value {
    /// Unique in the graph; the ONNX name where there is one.
    pub name: String,
    /// Extents.
    pub shape: Shape,
    /// Element type.
    pub dtype: DType,
    /// The elements, when they are known at compile time.
    pub constant: Option<Arc<Tensor>>,
    /// The ONNX value with the same elements, if there is one.
    pub origin: Option<Origin>,
}

/// Which axis of a spatial operator's tensors holds the channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// N, C, spatial...: ONNX's own.
    ChannelsFirst,
    /// N, spatial..., C: the only one after [`crate::passes::channels_last`].
    ChannelsLast,
}

/// A window sliding over the two spatial axes (a one-dimensional operator has height 1).
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Height, width.
    pub kernel: [usize; 2],
    /// Vertical, horizontal.
    pub strides: [usize; 2],
    /// Vertical, horizontal.
    pub dilations: [usize; 2],
    /// Top, left, bottom, right, as numbers (`auto_pad` and `ceil_mode` are resolved at import: `ceil_mode`
    /// can only lengthen the bottom and right).
    pub pads: [usize; 4],
    /// Value of the padded taps: 0 as in the file, or +1 / -1 once an explicit `Pad` was merged in.
    pub pad_value: f32,
}

/// The operators. Parameters that ONNX passes as constant inputs (shapes, axes, pads...) are fields here, and
/// spellings without a meaning of their own (Flatten, Squeeze, Identity, Split, GlobalAveragePool...) are gone
/// at import.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// x -> -1, +1, and [`Zero`] at zero. NaN has no sign.
    Sign(Zero),
    /// x
    Unary(Unary),
    /// a, b
    Binary(Binary),
    /// x, slope (broadcast to x): x < 0 ? slope * x : x
    PRelu,
    /// condition, a, b
    Where,
    /// x, to another element type
    Cast(DType),
    /// x, weights `[O, I / groups, kh, kw]`, bias `[O]`?
    Conv {
        /// Geometry.
        window: Window,
        /// Groups of channels.
        groups: usize,
        /// Layout of x and of the result; the weights are always OIHW.
        layout: Layout,
    },
    /// x, whose every element is -1 or +1: an exact integer dot product per output. Appears in
    /// [`crate::passes::binarize_weights`]; the scale and bias of the file's convolution follow as an Affine.
    BinaryConv {
        /// Geometry; `pad_value` 0, +1 or -1.
        window: Window,
        /// Groups of channels.
        groups: usize,
        /// A bit per `[O][kh][kw][I / groups]`.
        weights: Arc<BinaryWeights>,
    },
    /// x `[..., K]`, whose every element is -1 or +1: the fully connected layer of the same kind.
    BinaryMatMul {
        /// A bit per `[M][K]`.
        weights: Arc<BinaryWeights>,
    },
    /// a `[..., M, K]`, b `[..., N, K]`, whose every element is -1 or +1: an exact integer for each row of a and row of b, over
    /// the batch. The codes' scales follow as an Affine.
    SignProduct {
        /// Whether -1 stands for 0, in a and in b.
        zero_one: [bool; 2],
    },
    /// x `[..., K]`, weights `[K, M]`: NumPy's matmul. Gemm becomes MatMul, and Add for its bias.
    MatMul,
    /// x: one exact affine map per channel; as many as the extent of `axis`.
    /// BatchNormalization, learned scales and shifts.
    Affine {
        /// Axis of the channels.
        axis: usize,
        /// One per channel.
        maps: Arc<Vec<Affine>>,
    },
    /// x
    MaxPool {
        /// Geometry; padded taps do not take part.
        window: Window,
        /// Layout of x and of the result.
        layout: Layout,
    },
    /// x
    AveragePool {
        /// Geometry.
        window: Window,
        /// Whether padded taps count in the divisor (those of `ceil_mode` never do).
        count_include_pad: bool,
        /// How far the window may reach beyond the image at the bottom and right because of `ceil_mode`.
        ceil_extra: [usize; 2],
        /// Layout of x and of the result.
        layout: Layout,
    },
    /// x
    Reduce {
        /// What is computed.
        kind: Reduction,
        /// Sorted, each once.
        axes: Vec<usize>,
        /// Whether the axes stay, with extent 1.
        keepdims: bool,
    },
    /// x, same elements in the same order under the shape of the result
    Reshape,
    /// x; axis `i` of the result is axis `perm[i]` of x
    Transpose(Vec<usize>),
    /// any number of tensors
    Concat {
        /// The axis they are joined along.
        axis: usize,
    },
    /// x: along each axis, `len` (the result's extent) elements from `start` by `step` (may be negative)
    Slice {
        /// First index per axis.
        starts: Vec<usize>,
        /// Step per axis.
        steps: Vec<isize>,
    },
    /// x
    Pad {
        /// Elements added before, per axis.
        before: Vec<usize>,
        /// Elements added after, per axis.
        after: Vec<usize>,
        /// Their value.
        value: f32,
    },
    /// x, broadcast to the shape of the result
    Expand,
    /// data, indices
    Gather {
        /// Axis of the data.
        axis: usize,
    },
    /// data, indices, updates
    ScatterNd,
    /// x
    Softmax {
        /// Axis that sums to 1.
        axis: usize,
        /// Natural logarithm of it.
        log: bool,
    },
    /// x -> I64
    ArgMax {
        /// Axis searched.
        axis: usize,
        /// Whether the axis stays, with extent 1.
        keepdims: bool,
        /// The last of equal maxima instead of the first.
        last: bool,
    },
}

impl Op {
    /// The operator's name without its parameters, for messages.
    pub fn name(&self) -> String {
        let debug = match self {
            // These hold whole tensors, which are not to be printed.
            Self::BinaryConv { .. } => return "BinaryConv".to_owned(),
            Self::BinaryMatMul { .. } => return "BinaryMatMul".to_owned(),
            Self::Affine { .. } => return "Affine".to_owned(),
            Self::Unary(function) => return function.name().to_owned(),
            Self::Binary(function) => return function.name().to_owned(),
            op => format!("{op:?}"),
        };
        debug.chars().take_while(|c| c.is_alphanumeric()).collect()
    }
}

/// A node: one operator applied to values, with one result.
#[derive(Clone, Debug)]
pub struct Node {
    /// The ONNX node's name, or its first output's where it has none.
    pub name: String,
    /// The operator.
    pub op: Op,
    /// Operands; an absent optional one ends the list.
    pub inputs: Vec<ValueId>,
    /// The result.
    pub output: ValueId,
    /// ONNX operators this node stands for, in order (so that a report can say what was fused).
    pub parts: Vec<Part>,
    /// Why it is not binary, or was not merged with a neighbour.
    pub reason: Option<String>,
}

/// A graph in static single assignment: each value has one producer, nodes stand in topological order.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The model's own name.
    pub name: String,
    /// All values, by [`ValueId`].
    pub values: Vec<Value>,
    /// In topological order.
    pub nodes: Vec<Node>,
    /// What the caller gives.
    pub inputs: Vec<ValueId>,
    /// What the caller gets.
    pub outputs: Vec<ValueId>,
    /// Remarks for the report, collected by import and passes.
    pub notes: Vec<String>,
    /// What the user should look at, found by the passes.
    pub warnings: Diagnostics,
    /// The user's choice for [`Zero::Zero`] in front of binary layers: two planes of bits instead of one.
    pub exact_zeros: bool,
}

impl Graph {
    /// The value behind a handle.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0 as usize]
    }

    /// The shape of a value.
    pub fn shape(&self, id: ValueId) -> &[usize] {
        &self.value(id).shape
    }

    /// The elements of a value, when known at compile time.
    pub fn constant(&self, id: ValueId) -> Option<&Arc<Tensor>> {
        self.value(id).constant.as_ref()
    }

    /// Adds a value without a counterpart in the file. The name is made unique by a suffix if need be.
    pub fn add_value(&mut self, name: impl Into<String>, shape: impl Into<Shape>, dtype: DType) -> ValueId {
        let id = ValueId(u32::try_from(self.values.len()).expect("fewer than 2^32 values"));
        self.values.push(Value { name: name.into(), shape: shape.into(), dtype, constant: None, origin: None });
        id
    }

    /// Adds a constant.
    pub fn add_constant(&mut self, name: impl Into<String>, tensor: Tensor) -> ValueId {
        let id = self.add_value(name, tensor.shape.clone(), tensor.dtype());
        self.values[id.0 as usize].constant = Some(Arc::new(tensor));
        id
    }

    /// Index of the node that produces each value.
    pub fn producers(&self) -> HashMap<ValueId, usize> {
        self.nodes.iter().enumerate().map(|(i, n)| (n.output, i)).collect()
    }

    /// Indices of the nodes that use each value, in order; a node that uses it twice stands twice.
    pub fn users(&self) -> HashMap<ValueId, Vec<usize>> {
        let mut users: HashMap<ValueId, Vec<usize>> = HashMap::new();
        for (i, node) in self.nodes.iter().enumerate() {
            for &input in &node.inputs {
                users.entry(input).or_default().push(i);
            }
        }
        users
    }

    /// Drops nodes whose results nobody uses, and restores topological order after rewrites.
    pub fn sweep(&mut self) {
        let producers = self.producers();
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut seen = HashSet::new();
        // An explicit stack: graphs are deep chains, and recursion would overflow on long ones.
        let mut stack: Vec<(usize, bool)> = Vec::new();
        for output in self.outputs.iter().rev() {
            if let Some(&i) = producers.get(output) {
                stack.push((i, false));
            }
        }
        while let Some((i, expanded)) = stack.pop() {
            if expanded {
                order.push(i);
            } else if seen.insert(i) {
                stack.push((i, true));
                for input in self.nodes[i].inputs.iter().rev() {
                    if let Some(&p) = producers.get(input).filter(|p| !seen.contains(p)) {
                        stack.push((p, false));
                    }
                }
            }
        }
        let mut nodes: BTreeMap<usize, Node> = std::mem::take(&mut self.nodes).into_iter().enumerate().collect();
        self.nodes = order.into_iter().filter_map(|i| nodes.remove(&i)).collect();
        self.forget_unused_constants();
    }

    /// Constants that no node uses any more (latent weights, say, once they are bits) leave the memory.
    fn forget_unused_constants(&mut self) {
        let mut used = vec![false; self.values.len()];
        for id in self.nodes.iter().flat_map(|node| &node.inputs).chain(&self.outputs) {
            used[id.0 as usize] = true;
        }
        for (value, _) in self.values.iter_mut().zip(used).filter(|(_, used)| !used) {
            value.constant = None;
        }
    }
}
