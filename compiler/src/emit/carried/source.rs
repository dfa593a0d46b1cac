//! The source as parts that can be kept or cut: items, members of traits and implementations, single names of `use`.

use std::ops::Range;

use quote::ToTokens;
use syn::{Attribute, ImplItem, Item, Meta, TraitItem, Type, UseTree, Visibility};

use super::condition::{Condition, World};
use super::mentions::Mentions;
use super::scan::{self, Place};

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) files: Vec<File>,
    /// The first is the crate's root.
    pub(super) modules: Vec<Module>,
    pub(super) parts: Vec<Part>,
}

/// A file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
    /// The module that it is.
    pub(super) module: usize,
}

/// A module: a file, or a part of one.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) name: String,
    pub(super) parent: Option<usize>,
    pub(super) parts: Vec<usize>,
}

/// Something that is kept or cut as one.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) module: usize,
    pub(super) kind: Kind,
    pub(super) is_public: bool,
    /// Whether the documentation shows it.
    pub(super) is_hidden: bool,
    pub(super) mentions: Mentions,
    /// Where it stands in its file. A single name of a `use` has no place of its own.
    pub(super) span: Range<usize>,
    /// What is between its braces.
    pub(super) body: Range<usize>,
    /// What it consists of, and can be cut out of it.
    pub(super) parts: Vec<usize>,
    /// Attributes to replace: where, and what by. An empty text removes one with its line.
    pub(super) edits: Vec<(Range<usize>, String)>,
}

/// What a part is.
#[derive(Debug)]
pub(super) enum Kind {
    /// A function, type, constant, macro.
    Named(String),
    Trait(String),
    /// An implementation of a trait, or none, for the type of that path, if it is one.
    Impl {
        of: Option<Vec<String>>,
        on: Vec<String>,
    },
    /// A function, constant or type of the part of that number, a trait or an implementation.
    Member {
        owner: usize,
        name: String,
        is_function: bool,
    },
    /// A statement of names.
    Use,
    /// One of its names: the path, the name it gives in this module, if it is one and not all, and the end of it as written.
    Import {
        path: Vec<String>,
        name: Option<String>,
        text: String,
    },
    /// A module.
    Module(usize),
    /// A macro's call.
    Call(String),
    /// What goes with the rest of its module.
    Rest,
    /// What no crate has.
    Gone,
}

impl Source {
    /// Reads files, by their paths below the root's folder. What cannot hold in the world is left out.
    ///
    /// # Errors
    /// Source that cannot be parsed.
    pub(super) fn read(sources: &[(&str, &str)], world: World<'_>) -> syn::Result<Self> {
        let mut source = Self::default();
        source.file(sources, world, "lib.rs", String::new(), None)?;
        Ok(source)
    }

    /// Reads a file and the files of its modules; returns its module.
    fn file(
        &mut self,
        sources: &[(&str, &str)],
        world: World<'_>,
        path: &str,
        name: String,
        parent: Option<usize>,
    ) -> syn::Result<usize> {
        let text = sources.iter().find(|(other, _)| *other == path).map_or("", |(_, text)| text);
        let module = self.module(name, parent);
        self.files.push(File { path: path.to_owned(), text: text.to_owned(), module });
        let folder = path.strip_suffix("lib.rs").or(path.strip_suffix("mod.rs")).map(str::to_owned);
        let folder = folder.unwrap_or_else(|| path.trim_end_matches(".rs").to_owned() + "/");
        for (part, name) in self.items(text, 0..text.len(), module, world)? {
            let beside = format!("{folder}{name}.rs");
            let inside = format!("{folder}{name}/mod.rs");
            let path = if sources.iter().any(|(path, _)| *path == beside) { beside } else { inside };
            let child = self.file(sources, world, &path, name, Some(module))?;
            self.parts[part].kind = Kind::Module(child);
        }
        Ok(module)
    }

    fn module(&mut self, name: String, parent: Option<usize>) -> usize {
        self.modules.push(Module { name, parent, parts: Vec::new() });
        self.modules.len() - 1
    }

    /// Takes in the items of a part of a text; returns the parts that are modules in files of their own, with their names.
    fn items(
        &mut self,
        text: &str,
        range: Range<usize>,
        module: usize,
        world: World<'_>,
    ) -> syn::Result<Vec<(usize, String)>> {
        let mut elsewhere = Vec::new();
        for place in scan::items(text, range) {
            let item: Item = syn::parse_str(&text[place.span.clone()])?;
            let (attributes, vis) = head(&item);
            let part = self.part(module, &place, attributes, vis, world);
            self.modules[module].parts.push(part);
            if world.excludes(attributes) {
                continue;
            }
            let mut mentions = None;
            let kind = match item {
                Item::Mod(inner) => match &inner.content {
                    Some(_) => {
                        let child = self.module(inner.ident.to_string(), Some(module));
                        self.items(text, place.body, child, world)?;
                        Kind::Module(child)
                    }
                    None => {
                        elsewhere.push((part, inner.ident.to_string()));
                        Kind::Rest
                    }
                },
                Item::Use(import) => {
                    self.imports(&import.tree, &mut Vec::new(), part);
                    Kind::Use
                }
                Item::Trait(mut own) => {
                    for (item, place) in own.items.iter().zip(scan::items(text, place.body)) {
                        let (name, attributes) = match &item {
                            TraitItem::Fn(f) => (&f.sig.ident, &f.attrs),
                            TraitItem::Const(c) => (&c.ident, &c.attrs),
                            TraitItem::Type(t) => (&t.ident, &t.attrs),
                            _ => continue,
                        };
                        let name = name.to_string();
                        self.member(part, name, &place, (attributes, &own.vis), item, world);
                    }
                    own.items.clear();
                    mentions = Some(own.to_token_stream());
                    Kind::Trait(own.ident.to_string())
                }
                Item::Impl(mut own) => {
                    for (item, place) in own.items.iter().zip(scan::items(text, place.body)) {
                        let (name, attributes, vis) = match &item {
                            ImplItem::Fn(f) => (&f.sig.ident, &f.attrs, &f.vis),
                            ImplItem::Const(c) => (&c.ident, &c.attrs, &c.vis),
                            ImplItem::Type(t) => (&t.ident, &t.attrs, &t.vis),
                            // What a macro writes is the function that its first word names.
                            ImplItem::Macro(call) => {
                                let words = call.mac.tokens.clone().into_iter().next();
                                let name = words.map(|word| word.to_string()).unwrap_or_default();
                                let place = Place { is_function: true, ..place };
                                self.member(part, name, &place, (&call.attrs, &Visibility::Inherited), item, world);
                                continue;
                            }
                            _ => continue,
                        };
                        self.member(part, name.to_string(), &place, (attributes, vis), item, world);
                    }
                    own.items.clear();
                    mentions = Some(own.to_token_stream());
                    let on = match &*own.self_ty {
                        Type::Path(ty) => segments(&ty.path),
                        _ => Vec::new(),
                    };
                    Kind::Impl { of: own.trait_.as_ref().map(|(path, _)| segments(path)), on }
                }
                other => {
                    mentions = Some(other.to_token_stream());
                    match (&other, named(&other)) {
                        (_, Some(name)) => Kind::Named(name),
                        (Item::Macro(call), None) => Kind::Call(segments(&call.mac.path).pop().unwrap_or_default()),
                        _ => Kind::Rest,
                    }
                }
            };
            self.parts[part].kind = kind;
            self.parts[part].mentions = mentions.map(Mentions::of).unwrap_or_default();
        }
        Ok(elsewhere)
    }

    fn part(
        &mut self,
        module: usize,
        place: &Place,
        attributes: &[Attribute],
        vis: Option<&Visibility>,
        world: World<'_>,
    ) -> usize {
        let is_hidden = attributes.iter().any(|attribute| text_of(attribute) == "#[doc(hidden)]");
        // Comments are attributes for syn, but not in the text.
        let written = attributes.iter().filter(|attribute| !matches!(attribute.meta, Meta::NameValue(_)));
        let edits = written.zip(&place.attributes).filter_map(|(attribute, range)| {
            let text = match world.of(attribute) {
                Some(Condition::Always) => String::new(),
                Some(Condition::Open(text)) => format!("#[cfg({text})]"),
                _ if world.is_idle(attribute) => String::new(),
                _ => return None,
            };
            let dense = |text: &str| text.replace([' ', ','], "");
            (dense(&text_of(attribute)) != dense(&text)).then(|| (range.clone(), text))
        });
        let edits = edits.collect();
        self.parts.push(Part {
            module,
            kind: Kind::Gone,
            is_public: vis.is_some_and(|vis| matches!(vis, Visibility::Public(_))),
            is_hidden,
            mentions: Mentions::default(),
            span: place.span.clone(),
            body: place.body.clone(),
            parts: Vec::new(),
            edits,
        });
        self.parts.len() - 1
    }

    fn member(
        &mut self,
        owner: usize,
        name: String,
        place: &Place,
        (attributes, vis): (&[Attribute], &Visibility),
        item: &impl ToTokens,
        world: World<'_>,
    ) {
        let part = self.part(self.parts[owner].module, place, attributes, Some(vis), world);
        self.parts[owner].parts.push(part);
        if !world.excludes(attributes) {
            let is_function = place.is_function;
            self.parts[part].kind = Kind::Member { owner, name, is_function };
            self.parts[part].mentions = Mentions::of(item.to_token_stream());
        }
    }

    /// The names of a `use`, each a part of it.
    fn imports(&mut self, tree: &UseTree, before: &mut Vec<String>, owner: usize) {
        let with = |name: &syn::Ident| before.iter().cloned().chain([name.to_string()]).collect::<Vec<_>>();
        let (path, name, text) = match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.imports(&path.tree, before, owner);
                before.pop();
                return;
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.imports(tree, before, owner));
                return;
            }
            UseTree::Glob(_) => (before.clone(), None, "*".to_owned()),
            UseTree::Name(name) if name.ident == "self" => (before.clone(), before.last().cloned(), "self".to_owned()),
            UseTree::Name(name) => (with(&name.ident), Some(name.ident.to_string()), name.ident.to_string()),
            UseTree::Rename(name) => {
                (with(&name.ident), Some(name.rename.to_string()), format!("{} as {}", name.ident, name.rename))
            }
        };
        let Part { module, is_public, is_hidden, .. } = self.parts[owner];
        self.parts.push(Part {
            module,
            kind: Kind::Import { path, name, text },
            is_public,
            is_hidden,
            mentions: Mentions::default(),
            span: 0..0,
            body: 0..0,
            parts: Vec::new(),
            edits: Vec::new(),
        });
        let part = self.parts.len() - 1;
        self.parts[owner].parts.push(part);
    }
}

/// An attribute as it is usually written.
fn text_of(attribute: &Attribute) -> String {
    attribute.to_token_stream().to_string().replace("# [", "#[").replace(" (", "(")
}

fn segments(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// The name that an item gives to its module.
fn named(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string()).filter(|name| name != "_")
}

/// Attributes and visibility.
fn head(item: &Item) -> (&[Attribute], Option<&Visibility>) {
    match item {
        Item::Const(item) => (&item.attrs, Some(&item.vis)),
        Item::Enum(item) => (&item.attrs, Some(&item.vis)),
        Item::ExternCrate(item) => (&item.attrs, None),
        Item::Fn(item) => (&item.attrs, Some(&item.vis)),
        Item::Impl(item) => (&item.attrs, None),
        Item::Macro(item) => (&item.attrs, None),
        Item::Mod(item) => (&item.attrs, Some(&item.vis)),
        Item::Static(item) => (&item.attrs, Some(&item.vis)),
        Item::Struct(item) => (&item.attrs, Some(&item.vis)),
        Item::Trait(item) => (&item.attrs, Some(&item.vis)),
        Item::Type(item) => (&item.attrs, Some(&item.vis)),
        Item::Union(item) => (&item.attrs, Some(&item.vis)),
        Item::Use(item) => (&item.attrs, Some(&item.vis)),
        _ => (&[], None),
    }
}
