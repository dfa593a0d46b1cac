//! What of the runtime a crate carries that depends on nothing: its text, without what the network does not use and without
//! the instruction sets that its target cannot have.
//!
//! The runtime is read as source, part by part ([`source`], [`scan`]); what the network mentions is kept, and what that mentions
//! ([`scope`], [`reach`]); the rest is cut out of the text ([`cut`]). Nothing here knows the runtime: rustc itself says, without
//! a warning about the crate, that nothing in it is unused.

mod condition;
mod cut;
mod mentions;
mod reach;
mod scan;
mod scope;
mod source;
#[cfg(test)]
mod tests;

use condition::World;
use mentions::Mentions;
use reach::Reach;
use source::Source;

use crate::target::Target;

/// The files of which something is left, by their paths below the folder of `lib.rs`; `users` are the sources that use it, by
/// the names of its prelude and by paths through a module called `root`.
///
/// # Errors
/// Source that is no Rust.
pub(super) fn files(
    sources: &[(&str, &str)],
    users: &[&str],
    root: &str,
    target: Option<&Target>,
) -> syn::Result<Vec<(String, String)>> {
    let source = Source::read(sources, World { target })?;
    let users: Vec<Mentions> =
        users.iter().map(|text| Ok(Mentions::of(text.parse()?))).collect::<Result<_, proc_macro2::LexError>>()?;
    let reach = Reach::of(&source, &users, root);
    Ok(cut::files(&source, &reach))
}
