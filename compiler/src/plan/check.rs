//! What holds of a plan: a value that is still needed is never overwritten.

use super::{Place, Plan, alias};
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::ir::network::{Body, Move, Network, TensorId};
use crate::schedule::Schedule;

/// Follows the blocks in order, and what lies in memory: each finds what it reads where it was written, and writes over no
/// operand of its own but one that its result replaces element by element, or behind what was read ([`super::Within`]). What a block has for itself is what its loops need.
///
/// # Errors
/// [`Code::Internal`]: the first place where that does not hold.
pub(crate) fn run(network: &Network, plan: &Plan, schedule: &Schedule) -> Result<(), Diagnostics> {
    let name = |id: TensorId| &network.tensor(id).name;
    let fault = |block: &str, what: String| {
        let message = format!("internal error in planning the memory: {what}");
        let help = "this is a fault of xnorc and not of the model; please report it, with the model if you can";
        Diagnostics::from(Diagnostic::error(Code::Internal, format!("block \"{block}\""), message).help(help))
    };
    // What lies in memory and is whole.
    let mut there: Vec<TensorId> = network.inputs.clone();
    for (index, block) in network.blocks.iter().enumerate() {
        let reads = block.reads();
        if let Some(&id) = reads.iter().find(|id| !there.contains(id)) {
            return Err(fault(&block.name, format!("\"{}\" is overwritten before it is read", name(id))));
        }
        let loops = block.tiled().zip(schedule.nests.get(index).and_then(Option::as_ref));
        let within = loops.and_then(|(tiled, nest)| plan.within(network, tiled, nest));
        let joined = match &block.body {
            Body::Move(Move::Reshape { input, output }) => Some((*input, *output)),
            _ => alias::in_place(network, block),
        };
        let writes: Vec<TensorId> = block.writes().into_iter().chain(block.workspace()).collect();
        let own = match plan.windows.get(index) {
            Some(&(offset, len)) => Place::Real(offset, len),
            None => return Err(fault(&block.name, "it has no place for itself".to_owned())),
        };
        let needed = loops.map_or(0, |(tiled, nest)| plan.workspace(network, tiled, nest));
        if needed != plan.windows[index].1 {
            let what = format!("it has {} floats for itself, and its loops need {needed}", plan.windows[index].1);
            return Err(fault(&block.name, what));
        }
        let places: Vec<Place> = writes.iter().map(|&id| plan.place(id)).collect();
        for (i, &place) in places.iter().chain([&own]).enumerate() {
            if places[..i.min(places.len())].iter().any(|&other| meet(place, other)) {
                return Err(fault(&block.name, "two of its results lie in one place".to_owned()));
            }
            let replaced = |&id: &TensorId| {
                let result = writes.get(i).copied();
                let in_place = joined.is_some_and(|(operand, joined)| {
                    result == Some(joined) && id == operand && plan.place(operand) == place
                });
                in_place || within.is_some_and(|within| result == Some(within.result) && id == within.operand)
            };
            let clash = reads.iter().find(|&id| meet(plan.place(*id), place) && !replaced(id));
            if let Some(&id) = clash {
                return Err(fault(&block.name, format!("it writes over \"{}\", which it reads", name(id))));
            }
        }
        let kept = matches!(block.body, Body::Move(Move::Reshape { .. }));
        there.retain(|&id| {
            let under = |&place: &Place| meet(place, plan.place(id)) && !(kept && place == plan.place(id));
            !places.iter().chain([&own]).any(under)
        });
        there.extend(block.writes());
    }
    match network.outputs.iter().find(|id| !there.contains(id)) {
        Some(&id) => Err(fault("output", format!("\"{}\" is overwritten", name(id)))),
        None => Ok(()),
    }
}

/// Whether two places share memory.
fn meet(a: Place, b: Place) -> bool {
    match (a, b) {
        (Place::Input(i), Place::Input(j)) | (Place::Output(i), Place::Output(j)) => i == j,
        (Place::Real(a, n), Place::Real(b, m)) | (Place::Bits(a, n), Place::Bits(b, m)) => a < b + m && b < a + n,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::DType;
    use crate::ir::network::{Block, NetTensor, Source, Step, Storage, Tiled};

    /// x -> a -> b, and a + b.
    fn network() -> Network {
        let mut network = Network::default();
        let [x, a, b, y] = ["x", "a", "b", "y"].map(|name| {
            let storage = Storage::Dense(DType::F32);
            network.add_tensor(NetTensor { name: name.into(), shape: vec![1, 1, 1, 16], storage, origin: None })
        });
        (network.inputs, network.outputs) = (vec![x], vec![y]);
        let map = |name, input, steps| Block::new(name, Tiled::new(Source::Map { input }, steps));
        network.blocks = vec![
            map("first", x, vec![Step::Store(a)]),
            map("second", a, vec![Step::Store(b)]),
            map("last", a, vec![Step::Add(b), Step::Store(y)]),
        ];
        network
    }

    #[test]
    fn what_is_still_needed_is_not_overwritten() {
        let network = network();
        let schedule = Schedule::of(&network, 0, None);
        let plan = super::super::run(&network, &schedule);
        let run = |network: &Network, plan: &Plan| super::run(network, plan, &schedule);
        run(&network, &plan).unwrap();
        let broken = |places: &[(usize, Place)]| {
            let mut plan = plan.clone();
            places.iter().for_each(|&(i, place)| plan.places[i] = place);
            run(&network, &plan).unwrap_err().to_string()
        };
        let real = Place::Real(0, 16);
        let found = broken(&[(1, real), (2, real)]);
        assert!(found.contains("X900 at block \"last\"") && found.contains("\"a\" is overwritten"), "{found}");
        let found = broken(&[(1, real), (2, Place::Real(8, 16))]);
        assert!(found.contains("\"second\"") && found.contains("it writes over \"a\", which it reads"), "{found}");
        let found = broken(&[(1, Place::Output(0)), (2, Place::Output(0))]);
        assert!(found.contains("\"a\" is overwritten"), "{found}");
        let mut plan = plan.clone();
        plan.windows[1] = (24, 4);
        let found = run(&network, &plan).unwrap_err().to_string();
        assert!(found.contains("it has 4 floats for itself, and its loops need 0"), "{found}");
        let mut schedule = schedule.clone();
        schedule.nests[1].as_mut().unwrap().row_sums = 4;
        (plan.places[1], plan.places[2]) = (real, Place::Real(16, 16));
        assert!(super::run(&network, &plan, &schedule).unwrap_err().to_string().contains("two of its results"));
    }
}
