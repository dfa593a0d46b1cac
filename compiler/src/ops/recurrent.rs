//! Recurrent layers, unrolled: what each step does to its state, in terms of the operators that it is made of. The products with the
//! weights of the input are one for all steps.

use super::Onnx;
use super::Results;
use super::gather::pick;
use super::node::{NodeContext, bad, problem};
use crate::diagnostics::{Code, Outcome};
use crate::ir::{Binary, DType, Op, Tensor, Unary, ValueId};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::many("RNN", 7, |cx| recurrent(cx, &RNN)).operands(6),
    Onnx::many("GRU", 7, |cx| recurrent(cx, &GRU)).operands(6),
    Onnx::many("LSTM", 7, |cx| recurrent(cx, &LSTM)).operands(8),
];

/// Steps and directions that are written out.
const MOST_STEPS: usize = 1 << 10;

/// What kinds of layers there are.
struct Kind {
    /// Blocks of rows in the weights, one for each.
    gates: usize,
    /// The functions of one direction.
    activations: &'static [&'static str],
    /// States that go from step to step.
    states: usize,
    step: Step,
}

/// What a step makes of the products of its input and of the states.
type Step = fn(&mut NodeContext<'_>, &Direction, ValueId, &[ValueId]) -> Outcome<Vec<ValueId>>;

static RNN: Kind = Kind { gates: 1, activations: &["Tanh"], states: 1, step: rnn };
static GRU: Kind = Kind { gates: 3, activations: &["Sigmoid", "Tanh"], states: 1, step: gru };
static LSTM: Kind = Kind { gates: 4, activations: &["Sigmoid", "Tanh", "Tanh"], states: 2, step: lstm };

/// What one direction is computed with.
struct Direction {
    hidden: usize,
    activations: Vec<Activation>,
    /// Of the state, `[hidden, gates * hidden]`.
    weights: ValueId,
    /// Of the products with the state, `[gates * hidden]`; absent where it was added to those with the input.
    bias: Option<ValueId>,
    /// `[3, hidden]`
    peepholes: Option<ValueId>,
    clip: Option<f32>,
    linear_before_reset: bool,
    input_forget: bool,
}

/// A function by name, with its two parameters.
#[derive(Clone, Debug)]
struct Activation {
    name: String,
    alpha: f32,
    beta: f32,
}

impl Activation {
    /// Defaults of alpha and beta, `None` where it has none.
    fn defaults(name: &str) -> Option<[Option<f32>; 2]> {
        Some(match name {
            "relu" | "tanh" | "sigmoid" | "softsign" | "softplus" => [None, None],
            "leakyrelu" => [Some(0.01), None],
            "thresholdedrelu" | "elu" => [Some(1.0), None],
            "affine" => [Some(1.0), Some(0.0)],
            "scaledtanh" => [Some(1.0), Some(1.0)],
            "hardsigmoid" => [Some(0.2), Some(0.5)],
            _ => return None,
        })
    }

    fn apply(&self, cx: &mut NodeContext<'_>, x: ValueId) -> Outcome<ValueId> {
        let &Self { alpha, beta, .. } = self;
        let function = match &self.name[..] {
            "relu" => Unary::Relu,
            "tanh" => Unary::Tanh,
            "sigmoid" => Unary::Sigmoid,
            "softplus" => Unary::Softplus,
            "leakyrelu" => Unary::LeakyRelu(alpha),
            "thresholdedrelu" => Unary::ThresholdedRelu(alpha),
            "elu" => Unary::Elu(alpha),
            "hardsigmoid" => Unary::HardSigmoid(alpha, beta),
            "softsign" => return super::composed::softsign_of(cx, x),
            "affine" => {
                let (alpha, beta) = (cx.scalar(alpha), cx.scalar(beta));
                let scaled = cx.binary(Binary::Mul, x, alpha)?;
                return cx.binary(Binary::Add, scaled, beta);
            }
            // alpha * tanh(beta * x)
            _ => {
                let (alpha, beta) = (cx.scalar(alpha), cx.scalar(beta));
                let scaled = cx.binary(Binary::Mul, x, beta)?;
                let tanh = cx.unary(Unary::Tanh, scaled)?;
                return cx.binary(Binary::Mul, tanh, alpha);
            }
        };
        cx.unary(function, x)
    }
}

/// The functions of all directions. Those that have parameters take them from the lists, in order.
fn activations(cx: &NodeContext<'_>, kind: &Kind, directions: usize) -> Outcome<Vec<Activation>> {
    let default = || kind.activations.iter().cycle().take(kind.activations.len() * directions);
    let names = match cx.texts("activations")? {
        Some(names) if !names.is_empty() => names,
        _ => default().map(|name| (*name).to_owned()).collect(),
    };
    if names.len() != kind.activations.len() * directions {
        return Err(bad(format!("{} activations where {} are needed", names.len(), default().count())));
    }
    let mut given = [cx.floats("activation_alpha")?, cx.floats("activation_beta")?]
        .map(|list| list.unwrap_or_default().into_iter().collect::<std::collections::VecDeque<f32>>());
    let mut made = Vec::new();
    for name in names {
        let lower = name.to_lowercase();
        let defaults =
            Activation::defaults(&lower).ok_or_else(|| bad(format!("the activation {name:?} is not known")))?;
        let [alpha, beta] = [0, 1].map(|i| defaults[i].map_or(0.0, |d| given[i].pop_front().unwrap_or(d)));
        made.push(Activation { name: lower, alpha, beta });
    }
    Ok(made)
}

/// An operand that may be absent, of a shape that is known.
fn of_shape(cx: &NodeContext<'_>, i: usize, what: &str, shape: &[usize]) -> Outcome<Option<ValueId>> {
    match cx.optional(i) {
        Some(id) if cx.shape(id) != shape => {
            let message = format!("its {what} has shape {:?}, not {shape:?}", cx.shape(id));
            Err(problem(Code::ShapeMismatch, message))
        }
        given => Ok(given),
    }
}

fn recurrent(cx: &mut NodeContext<'_>, kind: &Kind) -> Outcome<Results> {
    let directions = match cx.text("direction")?.as_deref() {
        None | Some("forward") => &[false][..],
        Some("reverse") => &[true],
        Some("bidirectional") => &[false, true],
        Some(other) => return Err(bad(format!("the direction {other:?} is not known"))),
    };
    let batch_first = cx.flag("layout")?;
    let x = cx.operand(0)?;
    let x = if batch_first && cx.shape(x).len() == 3 { cx.transpose(x, vec![1, 0, 2])? } else { x };
    let (input, recurrence) = (cx.shape(x), cx.shape(cx.operand(2)?));
    let (&[steps, batch, width], &[_, _, hidden]) = (&input[..], &recurrence[..]) else {
        let message = format!("an input of shape {input:?} and recurrent weights of shape {recurrence:?}");
        return Err(problem(Code::ShapeMismatch, message));
    };
    if steps * directions.len() > MOST_STEPS {
        let message = format!("its {steps} steps are written out one by one, and no more than {MOST_STEPS} are");
        return Err(
            problem(Code::Unsupported, message).help("split the sequence, and carry the state from part to part")
        );
    }
    if cx.int("hidden_size")?.is_some_and(|given| usize::try_from(given) != Ok(hidden)) {
        return Err(bad(format!("attribute \"hidden_size\" does not fit recurrent weights of shape {recurrence:?}")));
    }
    let (count, rows) = (directions.len(), kind.gates * hidden);
    of_shape(cx, 1, "weights", &[count, rows, width])?;
    of_shape(cx, 2, "recurrent weights", &[count, rows, hidden])?;
    let bias = of_shape(cx, 3, "bias", &[count, 2 * rows])?;
    let lengths = of_shape(cx, 4, "lengths of the sequences", &[batch])?;
    let state = if batch_first { [batch, count, hidden] } else { [count, batch, hidden] };
    let mut initial = Vec::new();
    for i in 0..kind.states {
        let given = of_shape(cx, 5 + i, "initial state", &state)?;
        initial.push(given.map(|id| if batch_first { cx.transpose(id, vec![1, 0, 2]) } else { Ok(id) }).transpose()?);
    }
    let peepholes = if kind.states == 2 { of_shape(cx, 7, "peepholes", &[count, 3 * hidden])? } else { None };
    let clip = cx.optional_float("clip")?.filter(|&clip| clip > 0.0);
    let activations = activations(cx, kind, count)?;
    let (linear_before_reset, input_forget) = (cx.flag("linear_before_reset")?, cx.flag("input_forget")?);
    // Where every sequence is whole, there is nothing to choose.
    let whole = |id: ValueId| {
        cx.constant(id).and_then(|t| t.as_i64().map(|v| v.iter().all(|&n| n == steps as i64))).unwrap_or(false)
    };
    let lengths = match lengths.filter(|&id| !whole(id)) {
        Some(id) if cx.dtype(id) != DType::F32 => Some(cx.apply(Op::Cast(DType::F32), &[id])?),
        lengths => lengths,
    };
    // For each step: where it belongs to a sequence, `[batch, 1]`.
    let mut active = vec![None; steps];
    if let Some(lengths) = lengths {
        let column = cx.reshape(lengths, &[batch, 1])?;
        for (step, active) in active.iter_mut().enumerate() {
            let step = cx.scalar(step as f32);
            *active = Some(cx.binary(Binary::Greater, column, step)?);
        }
    }

    let (mut all, mut last) = (Vec::new(), vec![Vec::new(); kind.states]);
    for (d, &backwards) in directions.iter().enumerate() {
        let of = |cx: &mut NodeContext<'_>, id: ValueId, shape: &[usize]| {
            let part = pick(cx, id, 0, &[d])?;
            cx.reshape(part, shape)
        };
        let (of_input, of_state) = (cx.operand(1)?, cx.operand(2)?);
        let (of_input, of_state) = (of(cx, of_input, &[rows, width])?, of(cx, of_state, &[rows, hidden])?);
        let (of_input, weights) = (cx.transpose(of_input, vec![1, 0])?, cx.transpose(of_state, vec![1, 0])?);
        let flat = cx.reshape(x, &[steps * batch, width])?;
        let mut products = cx.apply(Op::MatMul, &[flat, of_input])?;
        let mut own = None;
        if let Some(bias) = bias {
            let both = of(cx, bias, &[2, rows])?;
            let [first, second] = [0, 1].map(|i| {
                let part = pick(cx, both, 0, &[i])?;
                cx.reshape(part, &[rows])
            });
            let (mut first, second) = (first?, second?);
            if linear_before_reset {
                own = Some(second);
            } else {
                first = cx.binary(Binary::Add, first, second)?;
            }
            products = cx.binary(Binary::Add, products, first)?;
        }
        let per_direction = kind.activations.len();
        let direction = Direction {
            hidden,
            activations: activations[d * per_direction..][..per_direction].to_vec(),
            weights,
            bias: own,
            peepholes: peepholes.map(|id| of(cx, id, &[3, hidden])).transpose()?,
            clip,
            linear_before_reset,
            input_forget,
        };
        let mut state = Vec::new();
        for &initial in &initial {
            state.push(match initial {
                Some(id) => of(cx, id, &[batch, hidden])?,
                None => cx.add_constant(Tensor::f32([batch, hidden], vec![0.0; batch * hidden])),
            });
        }
        let mut outputs = vec![None; steps];
        let order: Vec<usize> = if backwards { (0..steps).rev().collect() } else { (0..steps).collect() };
        for step in order {
            let places: Vec<usize> = (step * batch..(step + 1) * batch).collect();
            let product = pick(cx, products, 0, &places)?;
            let mut next = (kind.step)(cx, &direction, product, &state)?;
            let mut output = next[0];
            if let Some(active) = active[step] {
                for (next, &before) in next.iter_mut().zip(&state) {
                    *next = cx.apply(Op::Where, &[active, *next, before])?;
                }
                let nothing = cx.scalar(0.0);
                output = cx.apply(Op::Where, &[active, output, nothing])?;
            }
            outputs[step] = Some(cx.reshape(output, &[1, 1, batch, hidden])?);
            state = next;
        }
        let outputs: Vec<ValueId> = outputs.into_iter().flatten().collect();
        all.push(joined(cx, &outputs, 0)?);
        for (last, state) in last.iter_mut().zip(state) {
            last.push(cx.reshape(state, &[1, batch, hidden])?);
        }
    }

    let mut results = vec![None; 1 + kind.states];
    if cx.output_used(0) {
        let y = joined(cx, &all, 1)?;
        results[0] = Some(if batch_first { cx.transpose(y, vec![2, 0, 1, 3])? } else { y });
    }
    for (i, last) in last.iter().enumerate() {
        if cx.output_used(1 + i) {
            let state = joined(cx, last, 0)?;
            results[1 + i] = Some(if batch_first { cx.transpose(state, vec![1, 0, 2])? } else { state });
        }
    }
    Ok(results)
}

fn joined(cx: &mut NodeContext<'_>, parts: &[ValueId], axis: usize) -> Outcome<ValueId> {
    match parts {
        [one] => Ok(*one),
        _ => cx.apply(Op::Concat { axis }, parts),
    }
}

impl Direction {
    /// What an activation is a function of, within the bounds.
    fn active(&self, cx: &mut NodeContext<'_>, i: usize, x: ValueId) -> Outcome<ValueId> {
        let x = match self.clip {
            Some(clip) => cx.unary(Unary::Clip(-clip, clip), x)?,
            None => x,
        };
        self.activations[i].apply(cx, x)
    }

    /// The columns of some gates.
    fn gates(&self, cx: &mut NodeContext<'_>, x: ValueId, first: usize, count: usize) -> Outcome<ValueId> {
        let axis = cx.shape(x).len() - 1;
        let places: Vec<usize> = (first * self.hidden..(first + count) * self.hidden).collect();
        pick(cx, x, axis, &places)
    }

    /// The products of a state with the weights of some gates, the bias that stands there added.
    fn product(&self, cx: &mut NodeContext<'_>, state: ValueId, first: usize, count: usize) -> Outcome<ValueId> {
        let weights = self.gates(cx, self.weights, first, count)?;
        let product = cx.apply(Op::MatMul, &[state, weights])?;
        match self.bias {
            Some(bias) => {
                let bias = self.gates(cx, bias, first, count)?;
                cx.binary(Binary::Add, product, bias)
            }
            None => Ok(product),
        }
    }

    /// A gate's sum, and what a peephole sees of the cell.
    fn peeping(&self, cx: &mut NodeContext<'_>, x: ValueId, i: usize, cell: ValueId) -> Outcome<ValueId> {
        let Some(peepholes) = self.peepholes else { return Ok(x) };
        let weights = pick(cx, peepholes, 0, &[i])?;
        let seen = cx.binary(Binary::Mul, cell, weights)?;
        cx.binary(Binary::Add, x, seen)
    }
}

fn rnn(cx: &mut NodeContext<'_>, layer: &Direction, product: ValueId, state: &[ValueId]) -> Outcome<Vec<ValueId>> {
    let own = layer.product(cx, state[0], 0, 1)?;
    let sum = cx.binary(Binary::Add, product, own)?;
    Ok(vec![layer.active(cx, 0, sum)?])
}

/// Gates in the order update, reset, hidden.
fn gru(cx: &mut NodeContext<'_>, layer: &Direction, product: ValueId, state: &[ValueId]) -> Outcome<Vec<ValueId>> {
    let before = state[0];
    let whole = layer.linear_before_reset;
    let own = layer.product(cx, before, 0, if whole { 3 } else { 2 })?;
    let mut gates = Vec::new();
    for i in 0..2 {
        let (a, b) = (layer.gates(cx, product, i, 1)?, layer.gates(cx, own, i, 1)?);
        let sum = cx.binary(Binary::Add, a, b)?;
        gates.push(layer.active(cx, 0, sum)?);
    }
    let (update, reset) = (gates[0], gates[1]);
    let seen = if whole {
        let own = layer.gates(cx, own, 2, 1)?;
        cx.binary(Binary::Mul, reset, own)?
    } else {
        let kept = cx.binary(Binary::Mul, reset, before)?;
        layer.product(cx, kept, 2, 1)?
    };
    let hidden = layer.gates(cx, product, 2, 1)?;
    let sum = cx.binary(Binary::Add, hidden, seen)?;
    let hidden = layer.active(cx, 1, sum)?;
    let one = cx.scalar(1.0);
    let rest = cx.binary(Binary::Sub, one, update)?;
    let (new, old) = (cx.binary(Binary::Mul, rest, hidden)?, cx.binary(Binary::Mul, update, before)?);
    Ok(vec![cx.binary(Binary::Add, new, old)?])
}

/// Gates in the order input, output, forget, cell; peepholes in the order input, output, forget.
fn lstm(cx: &mut NodeContext<'_>, layer: &Direction, product: ValueId, state: &[ValueId]) -> Outcome<Vec<ValueId>> {
    let (hidden, cell) = (state[0], state[1]);
    let own = layer.product(cx, hidden, 0, 4)?;
    let sums = cx.binary(Binary::Add, product, own)?;
    let gate = |cx: &mut NodeContext<'_>, i: usize, cell: ValueId| {
        let sum = layer.gates(cx, sums, i, 1)?;
        let sum = layer.peeping(cx, sum, i, cell)?;
        layer.active(cx, 0, sum)
    };
    let input = gate(cx, 0, cell)?;
    let forget = if layer.input_forget {
        let one = cx.scalar(1.0);
        cx.binary(Binary::Sub, one, input)?
    } else {
        gate(cx, 2, cell)?
    };
    let new = layer.gates(cx, sums, 3, 1)?;
    let new = layer.active(cx, 1, new)?;
    let (kept, new) = (cx.binary(Binary::Mul, forget, cell)?, cx.binary(Binary::Mul, input, new)?);
    let cell = cx.binary(Binary::Add, kept, new)?;
    let output = gate(cx, 1, cell)?;
    let shown = layer.active(cx, 2, cell)?;
    Ok(vec![cx.binary(Binary::Mul, output, shown)?, cell])
}
