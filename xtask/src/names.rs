//! The names that the sources declare and use, to look up what the pages name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::visit::{self, Visit};

use crate::shell::{Failure, failed};
use crate::source::Source;

/// Files whose types have the names of others, for which they stand in the models: whoever names
/// such a type means the other.
const STAND_INS: &[&str] = &["src/model.rs", "src/sync/model.rs"];

/// Every name of the sources, and what stands inside which type, trait or module.
#[derive(Default)]
pub(crate) struct Names {
    used: BTreeSet<String>,
    of_library: Members,
    of_tools: Members,
}

/// What types, traits and modules have, by the owner's name.
type Members = BTreeMap<String, BTreeSet<String>>;

impl Names {
    /// Adds what the text of a file has. The path of the file, relative to the root, says which
    /// module the file is.
    pub(crate) fn add(&mut self, path: &Path, text: &str) -> Result<(), Failure> {
        let shown = |reason: String| failed(format!("{}: {reason}", path.display()));
        let source = Source::parse(text).map_err(|failure| shown(failure.to_string()))?;
        self.used.extend(source.names().map(str::to_owned));
        let file = syn::parse_file(text).map_err(|error| shown(error.to_string()))?;
        let members = match path.starts_with("src") {
            _ if STAND_INS.iter().any(|stand_in| path == Path::new(stand_in)) => return Ok(()),
            true => &mut self.of_library,
            false => &mut self.of_tools,
        };
        let open = module_of(path).into_iter().collect();
        Owners { members, open }.visit_file(&file);
        Ok(())
    }

    /// Tells whether the sources use this name anywhere. An `…` in it stands for any letters, and
    /// so does the end of a name that ends in `_`.
    pub(crate) fn has(&self, name: &str) -> bool {
        let pattern = name.strip_suffix('_').map(|start| format!("{start}_…"));
        let pattern = pattern.as_deref().unwrap_or(name);
        self.used.contains(name) || self.used.iter().any(|used| fits(pattern, used))
    }

    /// Tells whether the type, trait or module `owner` has this member: the library's, if the
    /// library has one of this name.
    pub(crate) fn has_member(&self, owner: &str, member: &str) -> bool {
        let members = self.of_library.get(owner).or_else(|| self.of_tools.get(owner));
        members.is_some_and(|members| members.contains(member))
    }
}

/// Tells whether the name is the pattern with some letters for each `…`.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, others)) = pattern.split_once('…') else { return pattern == name };
    let (middle, end) = others.rsplit_once('…').unwrap_or(("", others));
    let rest = name.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
    rest.is_some_and(|rest| rest.contains(middle))
}

/// The name of the module that a file is: its own, or its folder's.
fn module_of(path: &Path) -> Option<String> {
    let own = path.file_stem()?.to_str()?;
    let is_named_after_folder = matches!(own, "mod" | "lib" | "main");
    let path = if is_named_after_folder { path.parent()? } else { path };
    Some(path.file_stem()?.to_str()?.to_owned())
}

/// Notes the members of each type, trait and module while it walks through a file.
struct Owners<'a> {
    members: &'a mut Members,
    open: Vec<String>,
}

impl Owners<'_> {
    fn note(&mut self, member: &syn::Ident) {
        self.note_all([member.to_string()]);
    }

    fn note_all(&mut self, members: impl IntoIterator<Item = String>) {
        if let Some(owner) = self.open.last() {
            self.members.entry(owner.clone()).or_default().extend(members);
        }
    }

    /// Notes the methods of derived traits, as far as a method is called like its trait.
    fn note_derived(&mut self, attributes: &[syn::Attribute]) {
        let derives = attributes.iter().filter(|attribute| attribute.path().is_ident("derive"));
        for list in derives.filter_map(|attribute| attribute.meta.require_list().ok()) {
            let traits = Source::of(list.tokens.clone());
            self.note_all(traits.names().map(str::to_lowercase));
        }
    }

    fn within(&mut self, owner: &syn::Ident, walk: impl FnOnce(&mut Self)) {
        self.open.push(owner.to_string());
        walk(self);
        self.open.pop();
    }
}

/// Declares the visits of what has a name and may have members.
macro_rules! owners {
    ($($visit:ident: $node:ty;)*) => {
        $(
            fn $visit(&mut self, node: &'ast $node) {
                self.note(&node.ident);
                self.within(&node.ident, |owners| {
                    owners.note_derived(&node.attrs);
                    visit::$visit(owners, node);
                });
            }
        )*
    };
}

/// Declares the visits of what has a name and no members.
macro_rules! members {
    ($($visit:ident: $node:ty, $($name:ident).+;)*) => {
        $(
            fn $visit(&mut self, node: &'ast $node) {
                self.note(&node.$($name).+);
                visit::$visit(self, node);
            }
        )*
    };
}

impl<'ast> Visit<'ast> for Owners<'_> {
    owners! {
        visit_item_enum: syn::ItemEnum;
        visit_item_mod: syn::ItemMod;
        visit_item_struct: syn::ItemStruct;
        visit_item_trait: syn::ItemTrait;
        visit_item_union: syn::ItemUnion;
        visit_variant: syn::Variant;
    }

    members! {
        visit_impl_item_const: syn::ImplItemConst, ident;
        visit_impl_item_fn: syn::ImplItemFn, sig.ident;
        visit_impl_item_type: syn::ImplItemType, ident;
        visit_item_const: syn::ItemConst, ident;
        visit_item_fn: syn::ItemFn, sig.ident;
        visit_item_static: syn::ItemStatic, ident;
        visit_item_type: syn::ItemType, ident;
        visit_trait_item_const: syn::TraitItemConst, ident;
        visit_trait_item_fn: syn::TraitItemFn, sig.ident;
        visit_trait_item_type: syn::TraitItemType, ident;
        visit_use_name: syn::UseName, ident;
        visit_use_rename: syn::UseRename, rename;
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(name) = &field.ident {
            self.note(name);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let owner = match &*item.self_ty {
            syn::Type::Path(path) => path.path.segments.last(),
            _ => None,
        };
        if let Some(owner) = owner {
            self.within(&owner.ident, |owners| visit::visit_item_impl(owners, item));
        }
    }

    /// What a macro makes can't be seen, so that every name given to it counts.
    fn visit_macro(&mut self, invoked: &'ast syn::Macro) {
        let given = Source::of(invoked.tokens.clone());
        self.note_all(given.names().map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: &[(&str, &str)]) -> Names {
        let mut names = Names::default();
        for (path, text) in files {
            names.add(Path::new(path), text).unwrap_or_else(|failure| panic!("{failure}"));
        }
        names
    }

    #[test]
    fn members_are_found_inside_their_owner() {
        let names = names(&[(
            "src/forest/keys.rs",
            "\
mod inner { pub struct Deep; }
use other::{First, Second as Renamed};
#[derive(Clone)]
struct Keys { field: u32 }
impl Keys { const LIMIT: u32 = 1; fn intern(&self) { let local = 1; } }
impl<T> Display for Generic<T> { type Answer = T; fn fmt(&self) {} }
enum Error { Removed { provider: u32 }, Other }
trait Serves { fn serve(&self); }
standard!(VCPU, PCPU);
fn free() { fn nested() {} }
",
        )]);
        let there = [
            "keys::inner keys::First keys::Renamed keys::Keys keys::free keys::VCPU keys::nested",
            "inner::Deep Keys::field Keys::LIMIT Keys::intern Keys::clone Generic::Answer",
            "Generic::fmt Error::Removed Removed::provider Error::Other Serves::serve",
        ];
        let absent = [
            "Keys::local Keys::free keys::Second Error::provider Serves::fmt VCPU::PCPU tree::Keys",
        ];
        let has = |pair: &str| {
            let (owner, member) = pair.split_once("::").unwrap();
            names.has_member(owner, member)
        };
        for pair in there.join(" ").split(' ') {
            assert!(has(pair), "{pair}");
        }
        for pair in absent.join(" ").split(' ') {
            assert!(!has(pair), "{pair}");
        }
    }

    #[test]
    fn an_owner_of_the_library_hides_others_of_its_name() {
        let names = names(&[
            ("src/ledger/mod.rs", "struct Ledger; impl Ledger { fn help() {} }"),
            ("src/model.rs", "struct Ledger; impl Ledger { fn read() {} }"),
            (
                "xtask/src/main.rs",
                "struct Ledger; impl Ledger { fn read() {} } struct Tool { a: u8 }",
            ),
        ]);
        assert!(names.has_member("Ledger", "help"));
        assert!(!names.has_member("Ledger", "read"));
        assert!(names.has_member("Tool", "a"));
        assert!(names.has_member("ledger", "Ledger"), "mod.rs is the module of its folder");
        assert!(names.has("read"));
    }

    #[test]
    fn a_part_of_a_name_stands_for_all_that_have_it() {
        let names = names(&[("tests/a.rs", "fn a_late_writer_is_left_out_here() {} // a_comment")]);
        for known in [
            "a_late_writer_is_left_out_here",
            "a_late_writer_…",
            "…_left_out_…",
            "…_here",
            "a_…_here",
            "a_late_",
        ] {
            assert!(names.has(known), "{known}");
        }
        for unknown in ["a_late_writer", "late_…", "…_left", "…_comment", "late_", "a_l…_x_…_here"]
        {
            assert!(!names.has(unknown), "{unknown}");
        }
    }
}
