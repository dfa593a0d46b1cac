//! Reductions over axes, softmax, and the place of the maximum.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::strided::{Operands, array_type, element, element_by, nest, variable};
use super::text::looped;
use super::views::Views;
use crate::emit::text::{float, n, note};
use crate::ir::network::{Network, Whole};
use crate::ir::{Reduction, strides};
use crate::plan::LANES;
use crate::schedule::walk::{Axis, View, axes, signed};

/// Sums and products are kept in f64 and rounded once. Elements are taken in the order of the reduced axes, the last one
/// fastest; up to 16 neighbouring results at a time.
pub(super) fn reduce(
    network: &Network,
    whole: &Whole,
    kind: Reduction,
    reduced: &[usize],
    views: &mut Views<'_>,
) -> TokenStream {
    let (input, output) = (whole.inputs[0], whole.output);
    let shape = &network.tensor(input).shape;
    let of_x = strides(shape);
    let (over, kept): (Vec<usize>, Vec<usize>) = (0..shape.len()).partition(|axis| reduced.contains(axis));
    let extents = |chosen: &[usize]| -> Vec<usize> { chosen.iter().map(|&axis| shape[axis]).collect() };
    let steps = |chosen: &[usize]| signed(&chosen.iter().map(|&axis| of_x[axis]).collect::<Vec<_>>());
    let count: usize = extents(&over).iter().product();
    let of_y = signed(&strides(&extents(&kept)));
    let results = axes(&extents(&kept), &[steps(&kept), of_y]);
    let terms = axes(&extents(&over), &[steps(&over), vec![0; over.len()]]);
    let all: Vec<Axis> = results.iter().chain(&terms).cloned().collect();
    let len = |id| network.tensor(id).storage_len();
    let (from, to) = (View::of(len(input), 0, &all, 0), View::of(len(output), 0, &all, 1));

    let mut operands = Operands::new(network, views);
    let (x_ty, y_ty) = (array_type(&from, &quote!(f32)), array_type(&to, &quote!(f32)));
    operands.want(input, &x_ty);
    operands.want(output, &y_ty);
    let (open_x, x) = operands.open(input, "x", &x_ty, false);
    let (open_y, y) = operands.open(output, "y", &y_ty, true);
    let (x, y) = (quote!(#x), quote!(#y));
    let (start, take, finish) = words(kind, count);
    let Some(lane) = results.len().checked_sub(1) else {
        let (x, y) = (element(&x, &from), element(&y, &to));
        let over = nest(&terms, 0, quote!(let v = #x; #take));
        return quote!(#open_x #open_y let mut result = #start; let acc = &mut result; #over #y = #finish;);
    };
    let (extent, step) = (results[lane].extent, n(LANES));
    let lanes = extent.min(LANES);
    let (first, blocks) = match extent.div_ceil(lanes) {
        1 => (None, 1),
        blocks if extent.is_multiple_of(lanes) => (Some(quote!(#step * block)), blocks),
        blocks => {
            let most = n(extent - lanes);
            (Some(quote!((#step * block).min(#most))), blocks)
        }
    };
    let by = |axis: usize| match (axis == lane, &first) {
        (false, _) => variable(axis).parse().expect("an identifier"),
        (true, None) => quote!(lane),
        (true, Some(_)) => quote!(first + lane),
    };
    let (x, y) = (element_by(&x, &from, by), element_by(&y, &to, by));
    let over = nest(
        &terms,
        results.len(),
        quote! {
            for (lane, acc) in results.iter_mut().enumerate() {
                let v = #x;
                #take
            }
        },
    );
    let count = n(lanes);
    let side_by_side = (lanes > 1).then(|| note("Neighbouring results side by side: they do not wait for each other."));
    let lets = first.map(|first| quote!(let first = #first;));
    let body = quote! {
        #lets
        #side_by_side
        let mut results = [#start; #count];
        #over
        for (lane, acc) in results.iter().enumerate() {
            #y = #finish;
        }
    };
    let body = match blocks {
        1 => body,
        _ => {
            let blocks = n(blocks);
            looped("block", quote!(0..#blocks), &body)
        }
    };
    let loops = nest(&results[..lane], 0, body);
    quote!(#open_x #open_y #loops)
}

/// Of a reduction: the start, what is done to `acc` with an element `v`, and the result.
fn words(kind: Reduction, count: usize) -> (TokenStream, TokenStream, TokenStream) {
    let count = Literal::f64_unsuffixed(count as f64);
    let rounded = quote!(*acc as f32);
    match kind {
        Reduction::Sum => (quote!(0.0_f64), quote!(*acc += f64::from(v);), rounded),
        Reduction::Mean => (quote!(0.0_f64), quote!(*acc += f64::from(v);), quote!((*acc / #count) as f32)),
        Reduction::Prod => (quote!(1.0_f64), quote!(*acc *= f64::from(v);), rounded),
        Reduction::L1 => (quote!(0.0_f64), quote!(*acc += f64::from(v).abs();), rounded),
        Reduction::SumSquare => (quote!(0.0_f64), quote!(*acc += f64::from(v) * f64::from(v);), rounded),
        Reduction::L2 => {
            (quote!(0.0_f64), quote!(*acc += f64::from(v) * f64::from(v);), quote!(math::sqrt_f64(*acc) as f32))
        }
        // NaN where there is one.
        Reduction::Max => (
            float(f32::NEG_INFINITY),
            quote!(if v > *acc || v.is_nan() {
                *acc = v;
            }),
            quote!(*acc),
        ),
        Reduction::Min => (
            float(f32::INFINITY),
            quote!(if v < *acc || v.is_nan() {
                *acc = v;
            }),
            quote!(*acc),
        ),
    }
}

/// The lines of a tensor along an axis: loops around them are `i` and `k`, along them `j`.
struct Lines {
    axes: Vec<Axis>,
    extents: [usize; 3],
}

impl Lines {
    fn new(shape: &[usize], axis: usize) -> Self {
        let (outer, len, inner) =
            (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product::<usize>());
        let axis = |extent, of_x: usize, of_y: usize| Axis { extent, strides: vec![of_x as isize, of_y as isize] };
        Self {
            axes: vec![axis(outer, len * inner, inner), axis(len, inner, 0), axis(inner, 1, 1)],
            extents: [outer, len, inner],
        }
    }

    /// A view of what has so many elements.
    fn view(&self, operand: usize, len: usize) -> View {
        let axes: Vec<Axis> = self
            .axes
            .iter()
            .map(|axis| match axis.extent {
                1 => Axis { strides: vec![0; 2], ..axis.clone() },
                _ => axis.clone(),
            })
            .collect();
        View::of(len, 0, &axes, operand)
    }

    /// A loop along the line.
    fn along(&self, from: usize, body: TokenStream) -> TokenStream {
        let (from, len) = (n(from), n(self.extents[1]));
        looped("j", quote!(#from..#len), &body)
    }

    /// Loops around the line.
    fn around(&self, body: TokenStream) -> TokenStream {
        [("k", self.extents[2]), ("i", self.extents[0])].into_iter().fold(body, |body, (name, extent)| match extent {
            1 => body,
            _ => {
                let extent = n(extent);
                looped(name, quote!(0..#extent), &body)
            }
        })
    }
}

/// Softmax, or its logarithm, along an axis; sums in f64, in order.
pub(super) fn softmax(network: &Network, whole: &Whole, axis: usize, log: bool, views: &mut Views<'_>) -> TokenStream {
    let (input, output) = (whole.inputs[0], whole.output);
    let tensor = network.tensor(input);
    let lines = Lines::new(&tensor.shape, axis);
    let view = lines.view(0, tensor.storage_len());
    let ty = array_type(&view, &quote!(f32));
    let mut operands = Operands::new(network, views);
    let (open_x, x) = operands.open(input, "x", &ty, false);
    let (open_y, y) = operands.open(output, "y", &ty, true);
    let (x, y) = (element(&quote!(#x), &view), element(&quote!(#y), &view));
    let largest = lines.along(0, quote!(if #x > max { max = #x; }));
    let shifted = quote!(f64::from(#x) - f64::from(max));
    let total = lines.along(0, quote!(sum += math::exp_f64(#shifted);));
    let (between, value) = if log {
        (quote!(let log_sum = math::ln_f64(sum);), quote!(#shifted - log_sum))
    } else {
        (TokenStream::new(), quote!(math::exp_f64(#shifted) / sum))
    };
    let results = lines.along(0, quote!(#y = (#value) as f32;));
    let body = lines.around(quote! {
        let mut max = f32::NEG_INFINITY;
        #largest
        let mut sum = 0.0_f64;
        #total
        #between
        #results
    });
    quote!(#open_x #open_y #body)
}

/// The place of the maximum along an axis: the first of equal ones, or the last. Nothing is larger than NaN, and NaN is larger than
/// nothing.
pub(super) fn arg_max(network: &Network, whole: &Whole, axis: usize, last: bool, views: &mut Views<'_>) -> TokenStream {
    let (input, output) = (whole.inputs[0], whole.output);
    let tensor = network.tensor(input);
    let lines = Lines::new(&tensor.shape, axis);
    let (from, to) = (lines.view(0, tensor.storage_len()), lines.view(1, network.tensor(output).storage_len()));
    let mut operands = Operands::new(network, views);
    let (open_x, x) = operands.open(input, "x", &array_type(&from, &quote!(f32)), false);
    let index = operands.element(output);
    let (zero, found) = match network.tensor(output).integer() {
        Some(_) => (quote!(0), quote!(best)),
        None => (quote!(0.0), quote!(best as f32)),
    };
    let (open_y, y) = operands.open(output, "y", &array_type(&to, &index), true);
    let first = element_by(&quote!(#x), &from, |axis| match axis {
        1 => quote!(0),
        _ => variable(axis).parse().expect("an identifier"),
    });
    let (x, y) = (element(&quote!(#x), &from), element(&quote!(#y), &to));
    let larger = if last { quote!(v >= max) } else { quote!(v > max) };
    let search = lines.along(
        1,
        quote! {
            let v = #x;
            if #larger {
                (max, best) = (v, j as i64);
            }
        },
    );
    let body = match lines.extents[1] {
        1 => quote!(#y = #zero;),
        _ => quote! {
            let (mut max, mut best) = (#first, 0_i64);
            #search
            #y = #found;
        },
    };
    let body = lines.around(body);
    quote!(#open_x #open_y #body)
}
