//! That the random networks reach every form that a nest can take.

use xnorc::ir::Op;
use xnorc::ir::network::{
    BitPadding, Body, Gate, Geometry, Move, Network, PoolKind, Source, Step, Storage, TensorId, Tiled, Whole,
};
use xnorc::schedule::copies::{Copying, LISTED, Pattern, alike};
use xnorc::schedule::{Division, Nest, Order, PixelLanes, Pixels, Widen};

use xnorc_tests::nests::{FEW, cases};

/// What a network's nests are, by name.
fn forms(network: &Network) -> Vec<&'static str> {
    let mut forms = Vec::new();
    for block in &network.blocks {
        match &block.body {
            Body::Move(Move::BitMaxPool { input, output, .. }) => {
                let groups = |id| match &network.tensor(id).storage {
                    Storage::Bits(layout) => layout.groups,
                    Storage::Dense(_) => panic!("a pool of bits"),
                };
                let same = groups(*input) == groups(*output);
                forms.push(if same { "a pool of bits in words" } else { "a pool of bits in other groups" });
            }
            Body::Move(Move::BitJoin { inputs, .. }) => {
                let whole = inputs.iter().all(|&id| network.tensor(id).shape[3].is_multiple_of(64));
                forms.push(if whole { "a join of whole words" } else { "a join of shifted words" });
            }
            Body::Move(Move::BitProduct { inputs, .. }) => {
                forms.push(if inputs.len().is_multiple_of(2) { "a product of even" } else { "a product of odd" });
            }
            Body::Tiled(tiled) => {
                let nest = Nest::of(network, block, 0, None).expect("a tiled block");
                of_nest(&nest, tiled, &mut forms);
                of_source(&tiled.source, &mut forms);
                of_steps(network, tiled, &mut forms);
            }
            Body::Gate(gate) => of_gate(gate, &mut forms),
            Body::Move(Move::Copy { fill, pieces, output }) => {
                let written = network.tensor(*output).storage_len();
                forms.extend(fill.map(|_| "filled"));
                forms.extend((pieces.len() > 1).then_some("pieces of a copy"));
                forms.extend(alike(pieces).any(|same| same.len() >= LISTED).then_some("pieces by a list"));
                pieces.iter().for_each(|piece| of_copy(&Copying::of(network, piece, written), &mut forms));
            }
            Body::Move(Move::Reshape { .. }) => forms.push("reshape"),
            Body::Move(Move::Lookup { .. }) => forms.push("lookup"),
            Body::Move(Move::Convert { .. }) => forms.push("convert"),
            Body::Whole(Whole { op, inputs, output }) => of_whole(network, op, inputs, *output, &mut forms),
        }
    }
    forms
}

fn of_gate(gate: &Gate, forms: &mut Vec<&'static str>) {
    for layer in [&gate.first, &gate.second] {
        forms.push(match layer.outputs.div_ceil(16) {
            1 => "a gate's layer of one block",
            2..=4 => "a gate's layer of one group",
            blocks if blocks.is_multiple_of(4) => "a gate's layer of groups",
            _ => "a gate's layer whose last group is shorter",
        });
    }
}

fn of_copy(Copying { axes, from, to, pattern }: &Copying, forms: &mut Vec<&'static str>) {
    let last = axes.last();
    forms.push(match pattern {
        Pattern::Runs if from.extents.last() == last.map(|axis| &axis.extent) => "rows at once",
        Pattern::Runs => "parts of rows at once",
        Pattern::Strips { .. } if last.is_some_and(|axis| axis.extent % 16 == 0) => "strips",
        Pattern::Strips { .. } => "strips of which the last is shorter",
        Pattern::Elements => "element by element",
    });
    forms.extend((!from.is_nested()).then_some("axes read by one index"));
    forms.extend((!to.is_nested()).then_some("axes written by one index"));
    forms.extend(axes.iter().any(|axis| axis.strides[0] < 0).then_some("backwards"));
    forms.extend(axes.iter().any(|axis| axis.strides[0] == 0).then_some("repeated"));
    forms.extend(axes.iter().any(|axis| axis.strides[1] == 0).then_some("written twice"));
    forms.extend((axes.len() > 4).then_some("many axes"));
}

fn of_whole(network: &Network, op: &Op, inputs: &[TensorId], output: TensorId, forms: &mut Vec<&'static str>) {
    match op {
        Op::Reduce { axes, .. } => {
            let shape = &network.tensor(inputs[0]).shape;
            let mut kept = (0..shape.len()).filter(|axis| !axes.contains(axis)).map(|axis| shape[axis]);
            forms.push(match kept.rfind(|&extent| extent > 1) {
                None => "reduced to one",
                Some(16) => "sixteen results side by side",
                Some(2..16) => "few results side by side",
                Some(extent) if extent % 16 == 0 => "many results side by side",
                Some(_) => "results side by side, of which the last are fewer",
            });
        }
        Op::SignProduct { zero_one } => forms.push(match zero_one {
            [false, false] => "product of signs",
            [true, true] => "product of 0 and 1",
            _ => "product of signs with 0 and 1",
        }),
        Op::Gather { .. } => forms.push(if inputs[0] == inputs[1] { "rows by themselves" } else { "computed rows" }),
        Op::MatMul => {
            let matrix = |id: TensorId| network.tensor(id).shape.iter().rev().take(2).product::<usize>();
            let batch = |id: TensorId| network.tensor(id).storage_len() / matrix(id);
            forms.push(match batch(output) {
                1 => "product",
                all if inputs.iter().all(|&id| batch(id) == all) => "products of a batch",
                _ => "products with the same matrix",
            });
        }
        Op::Binary(_) => forms.push("function of two"),
        Op::PRelu => forms.push("PRelu by a tensor"),
        Op::Where => forms.push("choice"),
        Op::Softmax { log: false, .. } => forms.push("softmax"),
        Op::Softmax { log: true, .. } => forms.push("log softmax"),
        Op::ArgMax { last: false, .. } => forms.push("first maximum"),
        Op::ArgMax { last: true, .. } => forms.push("last maximum"),
        _ => panic!("{} has no form on whole tensors", op.name()),
    }
}

fn of_nest(nest: &Nest, tiled: &Tiled, forms: &mut Vec<&'static str>) {
    let mut must = |holds: bool, name| {
        if holds {
            forms.push(name);
        }
    };
    must(nest.grid.images > 1, "several images");
    let images = tiled.source.geometry().map_or(1, |g| g.n);
    must(nest.grid.images < images, "images that are rows of one");
    let far =
        tiled.source.geometry().is_some_and(|g| g.kernel == [1, 1] && g.input[..2] == [1, 1] && g.strides != [1, 1]);
    must(images > 1 && far, "strides over images of one pixel");
    must(nest.order == Order::BlocksRows, "blocks of channels outside");
    must(nest.order == Order::RowsBlocks, "rows outside");
    must(!nest.grid.channels.is_multiple_of(16), "a block of fewer channels");
    must(nest.pixels != Pixels::ONE && nest.overlaps(), "a last tile over the one before");
    must(nest.pixels != Pixels::ONE && !nest.overlaps(), "tiles that divide a row");
    must(nest.row_sums > 0, "sums of rows");
    match nest.division {
        Division::Whole(_) => must(true, "not divided"),
        Division::Area { rows, blocks, together } => {
            must(rows > 1, "divided by rows");
            must(rows == 1, "divided by channels alone");
            must(rows > 1 && blocks > 1, "divided by rows and channels");
            must(together > 1, "divided by several blocks at a time");
        }
    }
    if let Some(counting) = nest.counting {
        must(
            true,
            match counting.widen {
                Widen::Never => "never widened",
                Widen::Rows => "widened after rows",
                Widen::Taps => "widened after taps",
                Widen::Words(_) => "widened after words",
            },
        );
        must(nest.down.is_some_and(|down| down.levels.avx2), "down the lanes of 256 bits");
        must(nest.down.is_some_and(|down| !down.levels.avx2), "down the lanes of 128 bits alone");
        must(nest.down.is_some() && nest.window.is_some(), "down the lanes in front of a pool");
        must(nest.down.is_some_and(|down| down.rows > 1), "lists of several rows");
        let g = tiled.source.geometry().expect("a window");
        if let Some(by) = nest.pixel_lanes {
            must(true, "pixels as lanes");
            must(nest.window.is_some(), "pixels as lanes in front of a pool");
            must(!g.output[0].is_multiple_of(by.rows), "a last strip of fewer rows");
            must(by.rows == g.output[0], "a picture of one strip");
            must(nest.grid.images > 1, "pixels of several images as lanes");
            must(PixelLanes::phases(g, 0).len() > 1, "planes of several phases");
            must(by.below > 0 && g.dilations[0] > g.strides[0], "rows of taps apart in a plane");
            must(g.strides[1] > 1, "pixels as lanes that are strides apart");
            must(!g.output[2].is_multiple_of(16), "pixels as lanes for a block of fewer channels");
            must(g.input[2] > 64, "pixels as lanes of several words");
            must(matches!(nest.division, Division::Area { rows, .. } if rows > 1), "strips that threads divide");
        }
        must(counting.words >= 64, "64 words and more a tap");
        must(nest.rolled_words(), "words that stay a loop");
    }
    if let Some([rows, columns]) = nest.axes {
        let narrow = |axis: &xnorc::schedule::Axis| matches!(&axis.runs()[..], [(_, taps)] if *taps != (0..axis.kernel) && !taps.is_empty());
        must(rows.runs().len() > 1, "rows with fewer taps");
        must(columns.runs().len() > 1, "columns with fewer taps");
        must(narrow(&rows) || narrow(&columns), "a picture smaller than the window");
        let beside = |axis: &xnorc::schedule::Axis| axis.runs().iter().any(|(_, taps)| taps.is_empty());
        must(beside(&rows) || beside(&columns), "windows beside the picture");
    }
    if let (Some(window), Some(pooled)) = (nest.window, &tiled.pooled) {
        let g = &pooled.pool.geometry;
        must(window.together > 1, "a pool behind several blocks at a time");
        must(g.kernel[0] > g.strides[0], "windows of a pool that overlap");
        must(g.kernel[0] < g.strides[0], "windows of a pool with rows between them");
        let written = tiled.steps.iter().any(|step| step.write().is_some());
        must(written, "something written before the pool");
        let divided = matches!(nest.division, Division::Area { rows, .. } if rows > 1);
        must(written && divided && g.strides[0] > 1, "rows under those that are divided");
        must(pooled.pool.kind == PoolKind::Max, "a maximum inside");
        must(pooled.pool.kind != PoolKind::Max, "a mean inside");
    }
}

fn of_source(source: &Source, forms: &mut Vec<&'static str>) {
    let groups = |g: &Geometry| match g.output[2] / g.groups {
        _ if g.groups == 1 => "one group",
        outputs if outputs.is_multiple_of(16) => "groups of whole blocks",
        _ => "blocks of several groups",
    };
    match source {
        Source::BinaryConv { geometry: g, padding, .. } => {
            forms.push(groups(g));
            forms.push(match padding {
                BitPadding::Zero => "padding of 0",
                BitPadding::Plus => "padding of +1",
                BitPadding::Minus => "padding of -1",
            });
            let [top, left, bottom, right] = g.reach();
            forms.extend(((top, left) != (bottom, right)).then_some("padding on some sides"));
            forms.extend((!g.input[2].is_multiple_of(64)).then_some("a word of fewer channels"));
            forms.extend((g.strides != [1, 1]).then_some("strides"));
            forms.extend((g.dilations != [1, 1]).then_some("dilations"));
            forms.extend((g.kernel == [7, 7]).then_some("7x7"));
            forms.extend((g.kernel[0] != g.kernel[1]).then_some("a window that is no square"));
            forms.extend((g.groups > 1 && g.groups == g.input[2]).then_some("binary depthwise"));
            let connected = g.kernel == [1, 1] && g.input[..2] == [1, 1] && g.n > 1;
            forms.extend(connected.then_some("a fully connected layer of several rows"));
        }
        Source::RealConv { geometry: g, planar, products, .. } => {
            forms.push(match products.arithmetic() {
                xnorc::Arithmetic::Bf16 => "bf16",
                xnorc::Arithmetic::Int8 => "int8",
                _ if *planar => "planar",
                _ if g.groups > 1 && g.groups == g.output[2] && g.groups == g.input[2] => "depthwise",
                _ if g.kernel == [1, 1] => "one tap",
                _ if g.groups > 1 => "real groups",
                _ => "f32",
            });
        }
        Source::MaxPool { .. } => forms.push("a maximum"),
        Source::AveragePool { count_include_pad: None, .. } => forms.push("a mean"),
        Source::AveragePool { geometry: g, count_include_pad: Some(padding), .. } => {
            let [_, _, bottom, right] = g.reach();
            let ceil = [bottom, right] != *padding;
            forms.push(if ceil { "a mean beyond the padding" } else { "a mean of padding" });
        }
        Source::Map { .. } => forms.push("a map"),
        Source::Planes { .. } => forms.push("planes"),
    }
}

fn of_steps(network: &Network, tiled: &Tiled, forms: &mut Vec<&'static str>) {
    let written = tiled.all_steps().filter(|step| step.write().is_some()).count();
    forms.extend((written > 8).then_some("more written than a tuple holds"));
    for step in tiled.all_steps() {
        forms.push(match step {
            Step::Scale(_) => "scale",
            Step::Shift(_) => "shift",
            Step::ScalePixels(_) => "scale of pixels",
            Step::ShiftPixels(_) => "shift of pixels",
            Step::Gate(_) => "gate",
            Step::Activation(_) => "activation",
            Step::Add(_) => "add",
            Step::Mul(_) => "multiply",
            Step::Store(_) => "store",
            Step::Sum(_) => "sum",
            Step::Sign { bits, .. } => match &network.tensor(*bits).storage {
                Storage::Bits(layout) if layout.groups == 1 => "signs",
                Storage::Bits(_) => "signs in groups",
                Storage::Dense(_) => panic!("signs are bits"),
            },
        });
    }
}

const FORMS: &[&str] = &[
    "a gate's layer of one block",
    "a gate's layer of one group",
    "a gate's layer of groups",
    "a gate's layer whose last group is shorter",
    "filled",
    "pieces of a copy",
    "pieces by a list",
    "rows at once",
    "parts of rows at once",
    "strips",
    "strips of which the last is shorter",
    "element by element",
    "axes read by one index",
    "axes written by one index",
    "backwards",
    "repeated",
    "written twice",
    "many axes",
    "reshape",
    "lookup",
    "computed rows",
    "rows by themselves",
    "convert",
    "reduced to one",
    "few results side by side",
    "sixteen results side by side",
    "many results side by side",
    "results side by side, of which the last are fewer",
    "product",
    "products of a batch",
    "products with the same matrix",
    "product of signs",
    "product of 0 and 1",
    "product of signs with 0 and 1",
    "function of two",
    "PRelu by a tensor",
    "choice",
    "softmax",
    "log softmax",
    "first maximum",
    "last maximum",
    "a pool of bits in words",
    "a pool of bits in other groups",
    "a join of whole words",
    "a join of shifted words",
    "a product of even",
    "a product of odd",
    "several images",
    "images that are rows of one",
    "strides over images of one pixel",
    "blocks of channels outside",
    "rows outside",
    "a block of fewer channels",
    "a last tile over the one before",
    "tiles that divide a row",
    "sums of rows",
    "not divided",
    "divided by rows",
    "divided by channels alone",
    "divided by rows and channels",
    "divided by several blocks at a time",
    "never widened",
    "widened after rows",
    "widened after taps",
    "widened after words",
    "down the lanes of 256 bits",
    "down the lanes of 128 bits alone",
    "down the lanes in front of a pool",
    "lists of several rows",
    "pixels as lanes",
    "pixels as lanes in front of a pool",
    "a last strip of fewer rows",
    "a picture of one strip",
    "pixels of several images as lanes",
    "planes of several phases",
    "rows of taps apart in a plane",
    "pixels as lanes that are strides apart",
    "pixels as lanes for a block of fewer channels",
    "pixels as lanes of several words",
    "strips that threads divide",
    "64 words and more a tap",
    "words that stay a loop",
    "rows with fewer taps",
    "columns with fewer taps",
    "a picture smaller than the window",
    "windows beside the picture",
    "a pool behind several blocks at a time",
    "windows of a pool that overlap",
    "windows of a pool with rows between them",
    "something written before the pool",
    "rows under those that are divided",
    "a maximum inside",
    "a mean inside",
    "one group",
    "groups of whole blocks",
    "blocks of several groups",
    "padding of 0",
    "padding of +1",
    "padding of -1",
    "padding on some sides",
    "a word of fewer channels",
    "strides",
    "dilations",
    "7x7",
    "a window that is no square",
    "binary depthwise",
    "a fully connected layer of several rows",
    "bf16",
    "int8",
    "planar",
    "depthwise",
    "one tap",
    "real groups",
    "f32",
    "a maximum",
    "a mean",
    "a mean beyond the padding",
    "a mean of padding",
    "a map",
    "planes",
    "more written than a tuple holds",
    "scale",
    "shift",
    "scale of pixels",
    "shift of pixels",
    "gate",
    "activation",
    "add",
    "multiply",
    "store",
    "sum",
    "signs",
    "signs in groups",
];

#[test]
fn the_networks_reach_every_form() {
    let all: Vec<Vec<&str>> = cases(FEW).iter().map(|case| forms(&case.network)).collect();
    let networks = |form: &str| all.iter().filter(|forms| forms.contains(&form)).count();
    let counts: Vec<(&str, usize)> = FORMS.iter().map(|&form| (form, networks(form))).collect();
    println!("{counts:#?}");
    let never: Vec<&str> = counts.iter().filter(|(_, count)| *count == 0).map(|(form, _)| *form).collect();
    assert!(never.is_empty(), "none of {} networks: {never:?}", all.len());
    let unknown = all.iter().flatten().find(|form| !FORMS.contains(form));
    assert_eq!(unknown, None, "a form that is not counted");
}
