//! What is used: everything that a kept part mentions is kept.
//!
//! Names are followed as the language does where that needs no types: items by their paths. Members are kept by their names:
//! of all the kept types and traits that have one so called, once it is called anywhere. So more may be kept than is used,
//! and never less.

use std::collections::HashSet;

use super::mentions::Mentions;
use super::source::{Kind, Part, Source};

/// Which parts are kept.
#[derive(Debug)]
pub(super) struct Reach<'a> {
    source: &'a Source,
    kept: Vec<bool>,
    /// Parts whose mentions have not been followed.
    open: Vec<usize>,
    /// Names of members that are called.
    called: HashSet<String>,
    /// The same by module, for the traits that must be in scope.
    called_in: Vec<HashSet<String>>,
    /// What the root shows to whoever uses the crate, with all its public members.
    face: HashSet<usize>,
    /// The module whose names its users have.
    prelude: usize,
}

impl<'a> Reach<'a> {
    /// What the crate's documented face needs, and the source of its users, who take names from the module `prelude`, or from
    /// the crate by a path through `root`.
    pub(super) fn of(source: &'a Source, users: &[Mentions], root: &str) -> Self {
        let count = source.parts.len();
        let mut reach = Self {
            source,
            kept: vec![false; count],
            open: Vec::new(),
            called: HashSet::new(),
            called_in: vec![HashSet::new(); source.modules.len()],
            face: HashSet::new(),
            prelude: source.modules.iter().position(|module| module.name == "prelude").unwrap_or_default(),
        };
        for &part in &source.modules[0].parts {
            for &import in &source.parts[part].parts {
                let part = &source.parts[import];
                if let Kind::Import { path, .. } = &part.kind
                    && part.is_public
                    && !part.is_hidden
                {
                    let found = source.find(0, path);
                    reach.face.extend(&found.items);
                    reach.keep(import);
                    found.items.iter().chain(&found.imports).for_each(|&part| reach.keep(part));
                }
            }
        }
        for user in users {
            reach.called.extend(user.members.iter().cloned());
            reach.called_in[reach.prelude].extend(user.members.iter().cloned());
            for path in &user.paths {
                let through_root = path.iter().position(|name| name == root).map(|at| &path[at + 1..]);
                match through_root {
                    Some(path) => reach.follow(0, path),
                    None => reach.follow(reach.prelude, path),
                }
            }
        }
        reach.run();
        reach
    }

    /// Whether a part stays.
    pub(super) fn keeps(&self, part: usize) -> bool {
        match &self.source.parts[part].kind {
            Kind::Module(module) => self.keeps_module(*module),
            Kind::Use => self.source.parts[part].parts.iter().any(|&import| self.keeps(import)),
            Kind::Import { path, .. } => {
                let found = self.source.find(self.source.parts[part].module, path);
                // The name of a module that is not there names nothing.
                let is_empty = found.items.is_empty() && !found.modules.is_empty();
                self.kept[part] && !(is_empty && found.modules.iter().all(|&module| !self.keeps_module(module)))
            }
            _ => self.kept[part],
        }
    }

    /// Whether anything of a module stays.
    pub(super) fn keeps_module(&self, module: usize) -> bool {
        self.source.modules[module].parts.iter().any(|&part| self.keeps(part))
    }

    fn keep(&mut self, part: usize) {
        if !std::mem::replace(&mut self.kept[part], true) {
            self.open.push(part);
        }
    }

    /// Keeps what a path leads to.
    fn follow(&mut self, module: usize, path: &[String]) {
        let found = self.source.find(module, path);
        found.items.iter().chain(&found.imports).for_each(|&part| self.keep(part));
        self.called_in[module].extend(found.members.iter().cloned());
        self.called.extend(found.members);
    }

    fn run(&mut self) {
        loop {
            while let Some(part) = self.open.pop() {
                let part = &self.source.parts[part];
                self.called.extend(part.mentions.members.iter().cloned());
                self.called_in[part.module].extend(part.mentions.members.iter().cloned());
                for path in &part.mentions.paths {
                    self.follow(part.module, path);
                }
                if let Kind::Import { path, .. } = &part.kind {
                    let found = self.source.find(part.module, path);
                    found.items.iter().chain(&found.imports).for_each(|&part| self.keep(part));
                }
            }
            for part in 0..self.source.parts.len() {
                if !self.kept[part] && self.is_implied(part) {
                    self.keep(part);
                }
            }
            if self.open.is_empty() {
                return;
            }
        }
    }

    /// Whether a part that nothing mentions has to be kept for what is.
    fn is_implied(&self, part: usize) -> bool {
        let Part { module, kind, parts, .. } = &self.source.parts[part];
        let all_kept = |path: &[String]| self.source.find(*module, path).items.iter().all(|&item| self.kept[item]);
        match kind {
            Kind::Impl { of, on } => {
                all_kept(on)
                    && match of {
                        Some(of) => all_kept(of),
                        None => parts.iter().any(|&member| self.wants(member)),
                    }
            }
            Kind::Member { owner, .. } => self.kept[*owner] && self.wants(part),
            Kind::Call(name) => {
                // What the macro writes are implementations of what it mentions.
                let own = self.source.find(*module, std::slice::from_ref(name)).items;
                let its = own.iter().flat_map(|&item| &self.source.parts[item].mentions.paths);
                its.flat_map(|path| self.source.find(*module, path).items)
                    .any(|item| !own.contains(&item) && self.kept[item])
            }
            // A trait whose members are called must be in scope, though nobody may mention it.
            Kind::Trait(_) | Kind::Import { name: Some(_), .. } => {
                let is_called = |name: &str| self.called_in[*module].contains(name);
                // Users name the traits of their type parameters, whose members need no import.
                let is_known = |name: &str| *module == self.prelude && self.is_of_an_import(name);
                self.functions_of(part).any(|name| is_called(name) && !is_known(name))
            }
            Kind::Import { path, name: None, .. } => {
                // All of something that is not of this source.
                self.source.find(*module, path).is_foreign() && self.has_code(*module)
            }
            Kind::Rest => self.has_code(*module),
            _ => false,
        }
    }

    /// Whether a trait that the prelude gives and that is kept has a member so called.
    fn is_of_an_import(&self, name: &str) -> bool {
        let uses = &self.source.modules[self.prelude].parts;
        let imports = uses.iter().flat_map(|&part| &self.source.parts[part].parts).filter(|&&import| self.kept[import]);
        imports.flat_map(|&import| self.functions_of(import)).any(|other| other == name)
    }

    /// The functions of a trait, or of one that is imported.
    fn functions_of(&self, part: usize) -> impl Iterator<Item = &str> {
        let Part { module, kind, .. } = &self.source.parts[part];
        let traits = match kind {
            Kind::Trait(_) => vec![part],
            Kind::Import { path, name: Some(_), .. } => self.source.find(*module, path).items,
            _ => Vec::new(),
        };
        let traits = traits.into_iter().filter(|&item| matches!(self.source.parts[item].kind, Kind::Trait(_)));
        traits.flat_map(|item| &self.source.parts[item].parts).filter_map(|&member| {
            match &self.source.parts[member].kind {
                Kind::Member { name, is_function: true, .. } => Some(name.as_str()),
                _ => None,
            }
        })
    }

    /// Whether a member is called, or may be by whoever uses the crate.
    fn wants(&self, member: usize) -> bool {
        let part = &self.source.parts[member];
        let Kind::Member { owner, name, .. } = &part.kind else { return false };
        let owner = &self.source.parts[*owner];
        match &owner.kind {
            // Of somebody else's trait, all of them.
            Kind::Impl { of: Some(of), .. } => {
                let own = self.source.find(owner.module, of).items;
                own.is_empty() || self.called.contains(name) || own.iter().any(|item| self.face.contains(item))
            }
            Kind::Impl { of: None, on } => {
                let on = self.source.find(owner.module, on).items;
                self.called.contains(name) || part.is_public && on.iter().any(|item| self.face.contains(item))
            }
            _ => self.called.contains(name) || self.is_of_face(member),
        }
    }

    fn is_of_face(&self, member: usize) -> bool {
        matches!(&self.source.parts[member].kind, Kind::Member { owner, .. } if self.face.contains(owner))
    }

    /// Whether anything but names and modules is kept of a module.
    fn has_code(&self, module: usize) -> bool {
        let parts = &self.source.modules[module].parts;
        parts.iter().any(|&part| {
            self.kept[part] && !matches!(self.source.parts[part].kind, Kind::Use | Kind::Module(_) | Kind::Rest)
        })
    }
}
