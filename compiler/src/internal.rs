//! Faults of the compiler itself, told from those of the model: a panic becomes a [`Diagnostic`] that asks for a report.
//!
//! Nobody who compiles a model has a use for a backtrace of the compiler. What he can do is to say which model it was and at
//! what it happened, so that is what he reads. Faults that the compiler notices itself are reported under the same code.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

use crate::diagnostics::{Code, Diagnostic, Diagnostics};

thread_local! {
    /// How many calls of [`caught`] this thread is in.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// What the compiler is at.
    static AT: RefCell<String> = const { RefCell::new(String::new()) };
    /// What the last panic said, and where.
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Notes what the compiler is at: a node, a block, a pass.
pub(crate) fn at(what: impl Into<String>) {
    AT.with(|at| *at.borrow_mut() = what.into());
}

/// Runs a part of the compiler; a panic in it is a [`Code::Internal`].
///
/// # Errors
/// Those of the part, or the fault.
pub fn caught<T>(part: impl FnOnce() -> Result<T, Diagnostics>) -> Result<T, Diagnostics> {
    listen();
    DEPTH.with(|depth| depth.set(depth.get() + 1));
    let outcome = panic::catch_unwind(AssertUnwindSafe(part));
    DEPTH.with(|depth| depth.set(depth.get() - 1));
    outcome.unwrap_or_else(|_| Err(fault().into()))
}

/// The problem with what just went wrong; for callers too where a panic ends the program, as in WebAssembly, and can be asked
/// about afterwards.
pub fn fault() -> Diagnostic {
    let at = AT.with(|at| at.take());
    let said = SAID.with(|said| said.take());
    Diagnostic::error(Code::Internal, Some(at).filter(|at| !at.is_empty()), format!("internal error: {said}"))
        .help("this is a fault of xnorc and not of the model: please report it, with the model if you can")
}

/// Keeps the standard message of a panic that is about to be caught from the standard error.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if DEPTH.with(Cell::get) == 0 {
                return usual(info);
            }
            SAID.with(|said| *said.borrow_mut() = words(info));
        }));
    });
}

fn words(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned());
    match info.location() {
        Some(place) => {
            let file = place.file().rsplit(['/', '\\']).take(2).collect::<Vec<_>>();
            format!("{text} ({}:{})", file.into_iter().rev().collect::<Vec<_>>().join("/"), place.line())
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_problem_of_one_line_with_the_place() {
        let broken = || -> Result<(), Diagnostics> {
            at("node \"conv1\" (Conv)");
            let list: Vec<u32> = Vec::new();
            let _ = list[std::hint::black_box(3)];
            Ok(())
        };
        let text = caught(broken).unwrap_err().to_string();
        assert!(text.starts_with("X900 at node \"conv1\" (Conv): internal error: index out of bounds"), "{text}");
        assert!(text.contains("(src/internal.rs:") && text.contains("please report"), "{text}");
        assert_eq!(text.lines().count(), 1);
        let problem = || Err::<(), _>(Diagnostic::error(Code::Io, None, "a file").into());
        assert_eq!(caught(problem).unwrap_err().to_string(), "X002: a file");
        assert_eq!(caught(|| Ok(7)), Ok(7));
    }
}
