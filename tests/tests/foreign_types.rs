//! Which types of other people's crates stand in our public interfaces: held by `foreign-types.txt`.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Field, ImplItem, Item, ItemImpl, ItemUse, Signature, TraitItem, UseTree, Visibility};

/// Crates of our own, and the standard library: not foreign.
const OURS: [&str; 12] = [
    "std",
    "core",
    "alloc",
    "consign",
    "consign_http",
    "consign_core",
    "consign_bacalhau",
    "consign_chutes",
    "consign_civitai",
    "consign_numind",
    "consign_sim",
    "consign_tests",
];

#[test]
fn the_foreign_types_in_public_interfaces_are_those_listed() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut found = String::new();
    let mut names: Vec<PathBuf> = std::fs::read_dir(&crates).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    for path in names {
        let mut types = BTreeSet::new();
        let dependencies = dependencies(&path.join("Cargo.toml"));
        for file in sources(&path.join("src")) {
            let code = syn::parse_file(&std::fs::read_to_string(&file).unwrap()).unwrap();
            let mut walk = Walk {
                imports: BTreeMap::new(),
                private: BTreeSet::new(),
                dependencies: &dependencies,
                found: &mut types,
            };
            walk.items(&code.items);
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        types.into_iter().for_each(|t| found += &format!("{name}: {t}\n"));
    }
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign-types.txt");
    let listed = std::fs::read_to_string(&list).unwrap_or_default();
    let listed: String = listed.lines().filter(|l| !l.starts_with('#')).map(|l| format!("{l}\n")).collect();
    assert_eq!(
        found,
        listed,
        "\nthe public interfaces hold these foreign types; if that is meant, list them in {}\n",
        list.display()
    );
}

/// Names of the crates that a manifest depends on, as code writes them.
fn dependencies(manifest: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(manifest).unwrap();
    let section = text.split("\n[dependencies]\n").nth(1).unwrap_or("");
    let lines = section.lines().take_while(|l| !l.starts_with('['));
    let names = lines.filter_map(|l| l.split(['.', ' ', '=']).next()).filter(|n| !n.is_empty() && !n.starts_with('#'));
    names.map(|n| n.replace('-', "_")).filter(|n| !OURS.contains(&n.as_str())).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") && path.file_name().unwrap() != "main.rs" {
            out.push(path);
        }
    }
    out.sort();
    out
}

/// Collects the foreign types in the public items of one file.
struct Walk<'a> {
    /// Local name to full path.
    imports: BTreeMap<String, String>,
    /// Types that nobody outside sees.
    private: BTreeSet<String>,
    dependencies: &'a BTreeSet<String>,
    found: &'a mut BTreeSet<String>,
}

fn public(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}

impl Walk<'_> {
    fn items(&mut self, items: &[Item]) {
        for item in items {
            if let Item::Use(u) = item {
                self.import(&u.tree, String::new());
            }
        }
        let private = items.iter().filter_map(|item| match item {
            Item::Struct(s) if !public(&s.vis) => Some(s.ident.to_string()),
            Item::Enum(e) if !public(&e.vis) => Some(e.ident.to_string()),
            _ => None,
        });
        self.private.extend(private);
        for item in items {
            match item {
                Item::Use(u) if public(&u.vis) => self.reexport(u),
                Item::Mod(m) if !m.attrs.iter().any(|a| a.path().is_ident("cfg")) => {
                    m.content.iter().for_each(|(_, inner)| self.items(inner));
                }
                Item::Fn(f) if public(&f.vis) => self.visit_signature(&f.sig),
                Item::Struct(s) if public(&s.vis) => {
                    self.visit_generics(&s.generics);
                    s.fields.iter().filter(|f| public(&f.vis)).for_each(|f| self.visit_field(f));
                }
                Item::Enum(e) if public(&e.vis) => {
                    e.variants.iter().flat_map(|v| &v.fields).for_each(|f| self.visit_field(f))
                }
                Item::Type(t) if public(&t.vis) => self.visit_type(&t.ty),
                Item::Const(c) if public(&c.vis) => self.visit_type(&c.ty),
                Item::Static(s) if public(&s.vis) => self.visit_type(&s.ty),
                Item::Trait(t) if public(&t.vis) => {
                    t.supertraits.iter().for_each(|b| self.visit_type_param_bound(b));
                    t.items.iter().for_each(|i| match i {
                        TraitItem::Fn(f) => self.visit_signature(&f.sig),
                        other => visit::visit_trait_item(self, other),
                    });
                }
                Item::Impl(i) => self.implementation(i),
                _ => {}
            }
        }
    }
    fn implementation(&mut self, item: &ItemImpl) {
        if let syn::Type::Path(of) = &*item.self_ty
            && of.path.segments.len() == 1
            && self.private.contains(&of.path.segments[0].ident.to_string())
        {
            return;
        }
        match &item.trait_ {
            // A trait's own methods are the trait's; what counts is which trait, and its associated types.
            Some((path, _)) => {
                self.visit_path(path);
                item.items.iter().for_each(|i| {
                    if let ImplItem::Type(t) = i {
                        self.visit_type(&t.ty);
                    }
                });
            }
            None => item.items.iter().for_each(|i| match i {
                ImplItem::Fn(f) if public(&f.vis) => self.visit_signature(&f.sig),
                ImplItem::Const(c) if public(&c.vis) => self.visit_type(&c.ty),
                _ => {}
            }),
        }
    }
    fn import(&mut self, tree: &UseTree, before: String) {
        match tree {
            UseTree::Path(p) => self.import(&p.tree, format!("{before}{}::", p.ident)),
            UseTree::Name(n) if n.ident == "self" => {
                let path = before.trim_end_matches("::").to_owned();
                self.imports.insert(path.rsplit("::").next().unwrap_or("").to_owned(), path);
            }
            UseTree::Name(n) => {
                self.imports.insert(n.ident.to_string(), format!("{before}{}", n.ident));
            }
            UseTree::Rename(r) => {
                self.imports.insert(r.rename.to_string(), format!("{before}{}", r.ident));
            }
            UseTree::Group(g) => g.items.iter().for_each(|t| self.import(t, before.clone())),
            UseTree::Glob(_) => {}
        }
    }
    fn reexport(&mut self, item: &ItemUse) {
        let mut names = Walk {
            imports: BTreeMap::new(),
            private: BTreeSet::new(),
            dependencies: self.dependencies,
            found: &mut BTreeSet::new(),
        };
        names.import(&item.tree, String::new());
        for path in names.imports.into_values() {
            self.note(&path);
        }
    }
    fn note(&mut self, path: &str) {
        let path = path.trim_start_matches("::");
        if path.contains("::") && self.dependencies.contains(path.split("::").next().unwrap_or("")) {
            self.found.insert(path.to_owned());
        }
    }
}

impl Visit<'_> for Walk<'_> {
    fn visit_path(&mut self, path: &syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        let full = match self.imports.get(&segments[0]) {
            Some(import) => {
                std::iter::once(import.clone()).chain(segments[1..].iter().cloned()).collect::<Vec<_>>().join("::")
            }
            None => segments.join("::"),
        };
        self.note(&full);
        visit::visit_path(self, path);
    }
    fn visit_signature(&mut self, signature: &Signature) {
        visit::visit_signature(self, signature);
    }
    fn visit_field(&mut self, field: &Field) {
        self.visit_type(&field.ty);
    }
    // Bodies and attributes are not interface.
    fn visit_block(&mut self, _: &syn::Block) {}
    fn visit_attribute(&mut self, _: &syn::Attribute) {}
}
