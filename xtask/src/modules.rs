//! The modules of the library, and which file each name of a file comes from.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};

use crate::shell::{Failure, failed};

/// Which files each file names, and by which names: both relative to `src/`.
pub(crate) type Edges = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Reads the modules from the root on, and follows each name to the file that defines the name:
/// through imports, and through the files that only hand a name on. Files that only declare modules
/// and hand on names are left out, and so is what is compiled for tests only.
pub(crate) fn edges(sources: &BTreeMap<String, String>) -> Result<Edges, Failure> {
    let mut modules = Modules { sources, all: Vec::new() };
    modules.read_file(Vec::new(), None)?;
    let mut edges = Edges::new();
    for (at, module) in modules.all.iter().enumerate() {
        for path in &module.mentions {
            for found in modules.resolve(at, path, &mut BTreeSet::new()) {
                let Some((file, name)) = modules.file_and_name(&found, path) else { continue };
                if *file != module.file {
                    let files = edges.entry(module.file.clone()).or_default();
                    files.entry(file.clone()).or_default().insert(name.clone());
                }
            }
        }
    }
    let defines = |file: &String| modules.all.iter().any(|it| it.file == *file && it.has_items());
    edges.retain(|file, _| defines(file));
    edges.values_mut().for_each(|named| named.retain(|file, _| defines(file)));
    Ok(edges)
}

/// A path as it is written, such as `crate::tree::Provider`.
type Path = Vec<String>;

struct Modules<'a> {
    sources: &'a BTreeMap<String, String>,
    /// The root comes first.
    all: Vec<Module>,
}

/// A module: a file, or inline in one.
#[derive(Default)]
struct Module {
    file: String,
    parent: Option<usize>,
    names: BTreeMap<String, Vec<Meaning>>,
    /// Modules all of whose names are imported.
    globs: Vec<Path>,
    /// Every path in the module's own code and imports.
    mentions: BTreeSet<Path>,
}

enum Meaning {
    Item,
    Import(Path),
    Module(usize),
}

/// What a path leads to.
enum Found {
    Module(usize),
    /// An item of this module and name, or something inside of the item.
    Item(usize, String),
}

impl Module {
    fn has_items(&self) -> bool {
        self.names.values().flatten().any(|meaning| matches!(meaning, Meaning::Item))
    }

    fn means(&mut self, name: String, meaning: Meaning) {
        self.names.entry(name).or_default().push(meaning);
    }
}

impl Modules<'_> {
    /// Reads the file of the module with this path, and those that the file declares.
    fn read_file(&mut self, path: Path, parent: Option<usize>) -> Result<usize, Failure> {
        let own = path.join("/");
        let names = match path.is_empty() {
            true => ["lib.rs".to_owned(), String::new()],
            false => [format!("{own}.rs"), format!("{own}/mod.rs")],
        };
        let found = names.iter().find_map(|name| self.sources.get_key_value(name));
        let (name, text) = found.ok_or_else(|| failed(format!("there is no src/{}", names[0])))?;
        let file = syn::parse_file(text).map_err(|error| failed(format!("src/{name}: {error}")))?;
        self.read_module(
            Module { file: name.clone(), parent, ..Module::default() },
            &path,
            &file.items,
        )
    }

    fn read_module(
        &mut self,
        module: Module,
        path: &[String],
        items: &[syn::Item],
    ) -> Result<usize, Failure> {
        let at = self.all.len();
        let file = module.file.clone();
        self.all.push(module);
        let mut reader = Reader { module: &mut self.all[at], children: Vec::new() };
        items.iter().for_each(|item| reader.visit_item(item));
        let children = reader.children;
        for child in children {
            let mut path = path.to_vec();
            path.push(child.ident.to_string());
            let child_at = match &child.content {
                None => self.read_file(path, Some(at))?,
                Some((_, items)) => {
                    let inline =
                        Module { file: file.clone(), parent: Some(at), ..Module::default() };
                    self.read_module(inline, &path, items)?
                }
            };
            self.all[at].means(child.ident.to_string(), Meaning::Module(child_at));
        }
        Ok(at)
    }

    /// Follows a path that is written in module `from`. Leads nowhere if the path is one of another
    /// crate or names something local.
    fn resolve(&self, from: usize, path: &[String], seen: &mut Seen) -> Vec<Found> {
        let Some((first, others)) = path.split_first() else { return Vec::new() };
        let mut found = match first.as_str() {
            "crate" => vec![Found::Module(0)],
            "self" => vec![Found::Module(from)],
            "super" => self.all[from].parent.map(Found::Module).into_iter().collect(),
            name => self.look_up(from, name, seen),
        };
        for name in others {
            let next = |found| match found {
                Found::Item(..) => vec![found],
                Found::Module(at) if name == "super" => {
                    self.all[at].parent.map(Found::Module).into_iter().collect()
                }
                Found::Module(at) => self.look_up(at, name, seen),
            };
            found = found.into_iter().flat_map(next).collect();
        }
        found
    }

    fn look_up(&self, at: usize, name: &str, seen: &mut Seen) -> Vec<Found> {
        if !seen.insert((at, name.to_owned())) {
            return Vec::new();
        }
        let module = &self.all[at];
        if let Some(meanings) = module.names.get(name) {
            let follow = |meaning: &Meaning| match meaning {
                Meaning::Item => vec![Found::Item(at, name.to_owned())],
                Meaning::Module(child) => vec![Found::Module(*child)],
                Meaning::Import(path) => self.resolve(at, path, seen),
            };
            return meanings.iter().flat_map(follow).collect();
        }
        let mut found = Vec::new();
        for glob in &module.globs {
            for of in self.resolve(at, glob, &mut seen.clone()) {
                if let Found::Module(of) = of {
                    found.extend(self.look_up(of, name, seen));
                }
            }
        }
        found
    }

    /// Returns the file that a path leads to, and what the path names there. A single word that is
    /// also the name of a module means something local.
    fn file_and_name<'a>(
        &'a self,
        found: &'a Found,
        path: &'a [String],
    ) -> Option<(&'a String, &'a String)> {
        match found {
            Found::Module(_) if path.len() == 1 => None,
            Found::Module(at) => Some((&self.all[*at].file, path.last()?)),
            Found::Item(at, name) => Some((&self.all[*at].file, name)),
        }
    }
}

/// The names that were looked up on the way.
type Seen = BTreeSet<(usize, String)>;

/// Notes what a module declares and names.
struct Reader<'a, 'ast> {
    module: &'a mut Module,
    children: Vec<&'ast syn::ItemMod>,
}

impl Reader<'_, '_> {
    fn import(&mut self, tree: &syn::UseTree, mut path: Path) {
        match tree {
            syn::UseTree::Path(tree) => {
                path.push(tree.ident.to_string());
                self.import(&tree.tree, path);
            }
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.import(tree, path.clone()));
            }
            syn::UseTree::Glob(_) => {
                self.module.mentions.insert(path.clone());
                self.module.globs.push(path);
            }
            syn::UseTree::Name(name) => {
                path.extend((name.ident != "self").then(|| name.ident.to_string()));
                self.import_as(path.last().cloned().unwrap_or_default(), path);
            }
            syn::UseTree::Rename(rename) => {
                path.extend((rename.ident != "self").then(|| rename.ident.to_string()));
                self.import_as(rename.rename.to_string(), path);
            }
        }
    }

    fn import_as(&mut self, name: String, path: Path) {
        self.module.mentions.insert(path.clone());
        self.module.means(name, Meaning::Import(path));
    }

    /// Notes the paths among tokens that nothing is known of: what a macro or an attribute is
    /// given, or a macro makes.
    fn note_tokens(&mut self, tokens: &TokenStream) {
        let mut path = Path::new();
        let mut colons = 0;
        for token in tokens.clone() {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.module.mentions.insert(std::mem::take(&mut path));
                    }
                    path.push(name.to_string());
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Group(group) => self.note_tokens(&group.stream()),
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    let text = text.trim_matches('"');
                    if text.starts_with("crate::") {
                        let path = text.split("::").map(str::to_owned).collect();
                        self.module.mentions.insert(path);
                    }
                }
                TokenTree::Punct(_) => {}
            }
            colons = 0;
        }
        self.module.mentions.insert(path);
    }
}

impl<'ast> Visit<'ast> for Reader<'_, 'ast> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        use syn::Item;
        let (attributes, name) = match item {
            Item::Const(item) => (&item.attrs, Some(&item.ident)),
            Item::Enum(item) => (&item.attrs, Some(&item.ident)),
            Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
            Item::Impl(item) => (&item.attrs, None),
            Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
            Item::Mod(item) => (&item.attrs, None),
            Item::Static(item) => (&item.attrs, Some(&item.ident)),
            Item::Struct(item) => (&item.attrs, Some(&item.ident)),
            Item::Trait(item) => (&item.attrs, Some(&item.ident)),
            Item::Type(item) => (&item.attrs, Some(&item.ident)),
            Item::Use(item) => (&item.attrs, None),
            _ => return,
        };
        if attributes.iter().any(is_for_tests) {
            return;
        }
        if let Some(name) = name {
            self.module.means(name.to_string(), Meaning::Item);
        }
        match item {
            Item::Mod(item) => self.children.push(item),
            Item::Use(item) => self.import(&item.tree, Path::new()),
            _ => visit::visit_item(self, item),
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|segment| segment.ident.to_string());
        self.module.mentions.insert(names.collect());
        visit::visit_path(self, path);
    }

    /// Skips the module within which something is visible.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_macro(&mut self, invoked: &'ast syn::Macro) {
        self.note_tokens(&invoked.tokens);
        visit::visit_macro(self, invoked);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.note_tokens(&list.tokens);
        }
    }
}

/// Tells whether what has this attribute is compiled for tests only.
fn is_for_tests(attribute: &syn::Attribute) -> bool {
    fn needs_test(condition: &syn::Meta) -> bool {
        let path = condition.path();
        let parts = || {
            let list = condition.require_list()?;
            list.parse_args_with(Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated)
        };
        let is_of_parts = path.is_ident("cfg") || path.is_ident("all");
        path.is_ident("test")
            || path.is_ident("doctest")
            || is_of_parts && parts().is_ok_and(|parts| parts.iter().any(needs_test))
    }
    attribute.path().is_ident("cfg") && needs_test(&attribute.meta)
}
