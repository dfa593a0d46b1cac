//! Names: what a path means in a module.

use super::source::{Kind, Source};

/// What a path leads to.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// Items. Several where conditions choose between them.
    pub(super) items: Vec<usize>,
    /// Names of `use` on the way.
    pub(super) imports: Vec<usize>,
    /// Segments behind an item, or behind what is not of this source: names of members.
    pub(super) members: Vec<String>,
    pub(super) modules: Vec<usize>,
}

impl Found {
    /// Whether it leads out of this source.
    pub(super) fn is_foreign(&self) -> bool {
        self.items.is_empty() && self.modules.is_empty()
    }
}

/// How many `use`s a name may lead through: one that leads to itself is not followed for ever.
const DEPTH: usize = 12;

impl Source {
    /// What a path means in a module.
    pub(super) fn find(&self, module: usize, path: &[String]) -> Found {
        self.find_at(module, path, DEPTH)
    }

    fn find_at(&self, module: usize, path: &[String], depth: usize) -> Found {
        let mut found = Found { modules: vec![module], ..Found::default() };
        let mut rest = path;
        while let Some((name, behind)) = rest.split_first() {
            let up = match name.as_str() {
                "crate" => Some(0),
                "self" => Some(module),
                "super" => found.modules.first().and_then(|&module| self.modules[module].parent),
                _ => None,
            };
            if let Some(up) = up {
                (found.modules, rest) = (vec![up], behind);
                continue;
            }
            let mut next = Found::default();
            for &module in &found.modules {
                let Found { items, imports, members, modules } = self.lookup(module, name, depth);
                next.items.extend(items);
                next.imports.extend(imports);
                next.members.extend(members);
                next.modules.extend(modules);
            }
            found.imports.append(&mut next.imports);
            (found.items, found.modules, rest) = (next.items, next.modules, behind);
            if found.modules.is_empty() {
                break;
            }
        }
        found.members.extend(rest.iter().cloned());
        found
    }

    /// What a name means in a module.
    fn lookup(&self, module: usize, name: &str, depth: usize) -> Found {
        let mut found = Found::default();
        let Some(depth) = depth.checked_sub(1) else { return found };
        let mut all = Vec::new();
        for &part in &self.modules[module].parts {
            match &self.parts[part].kind {
                Kind::Named(own) | Kind::Trait(own) if own == name => found.items.push(part),
                Kind::Module(child) if self.modules[*child].name == name => found.modules.push(*child),
                Kind::Use => all.extend(&self.parts[part].parts),
                _ => {}
            }
        }
        let target = |import: usize| match &self.parts[import].kind {
            Kind::Import { path, name, .. } => (path.as_slice(), name.as_deref()),
            _ => (&[][..], None),
        };
        for &import in &all {
            let (path, given) = target(import);
            if given == Some(name) {
                // What is not found is not of this source.
                let behind = self.find_at(module, path, depth);
                found.imports.push(import);
                found.imports.extend(behind.imports);
                found.items.extend(behind.items);
                found.modules.extend(behind.modules);
            }
        }
        // A module hides no function of its name from such an import.
        if found.items.is_empty() && found.imports.is_empty() {
            for &import in &all {
                let (path, given) = target(import);
                if given.is_some() {
                    continue;
                }
                for &inner in &self.find_at(module, path, depth).modules {
                    let behind = self.lookup(inner, name, depth);
                    if !behind.items.is_empty() || !behind.modules.is_empty() || !behind.imports.is_empty() {
                        found.imports.push(import);
                        found.imports.extend(behind.imports);
                        found.items.extend(behind.items);
                        found.modules.extend(behind.modules);
                    }
                }
            }
        }
        found
    }
}
