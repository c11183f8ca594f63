//! Which type contains which without a list or map between: where a type would contain itself, it is boxed.
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::model::{Api, Shape};
use crate::normalise::name_of;

/// The types each type contains.
pub(crate) struct Graph {
    /// In place.
    direct: BTreeMap<String, BTreeSet<String>>,
    /// Through other names for plain schemas only.
    names: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    pub(crate) fn of(api: &Api) -> Self {
        let (mut direct, mut names) = (BTreeMap::new(), BTreeMap::new());
        for def in &api.types {
            let mut inside = BTreeSet::new();
            match &def.shape {
                Shape::Struct(object) => object.members.iter().for_each(|member| in_place(&member.schema, &mut inside)),
                Shape::Alias(schema) => {
                    in_place(schema, &mut inside);
                    let mut all = BTreeSet::new();
                    anywhere(schema, &mut all);
                    names.insert(def.name.clone(), all);
                }
                Shape::Tagged(union) => inside.extend(union.variants.iter().map(|variant| variant.payload.clone())),
                Shape::Untagged(forms, _) => forms.iter().for_each(|form| in_place(&form.schema, &mut inside)),
                Shape::Enum(..) | Shape::External(_) => {}
            }
            direct.insert(def.name.clone(), inside);
        }
        Self { direct, names }
    }

    /// Whether a value of `outer` may hold, in place, the type `inner` that leads back to `outer`.
    pub(crate) fn leads_back(&self, inner: &str, outer: &str) -> bool {
        inner == outer || reaches(&self.direct, inner, outer)
    }

    /// Whether another name for a plain schema is defined by itself; then it has to be a type of its own.
    pub(crate) fn names_itself(&self, name: &str) -> bool {
        reaches(&self.names, name, name)
    }
}

fn reaches(edges: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let mut todo: Vec<&str> = vec![from];
    let mut seen = BTreeSet::new();
    while let Some(name) = todo.pop() {
        let Some(next) = edges.get(name).filter(|_| seen.insert(name)) else { continue };
        if next.contains(to) {
            return true;
        }
        todo.extend(next.iter().map(String::as_str));
    }
    false
}

/// The type that a plain schema holds in place.
fn in_place(schema: &Value, found: &mut BTreeSet<String>) {
    found.extend(name_of(schema).map(str::to_owned));
    if let Some(Value::Array(parts)) = schema.get("allOf") {
        parts.iter().for_each(|part| in_place(part, found));
    }
}

/// Every type in a plain schema.
fn anywhere(schema: &Value, found: &mut BTreeSet<String>) {
    in_place(schema, found);
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(key) {
            anywhere(inner, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::testing::model;
    use serde_json::json;

    #[test]
    fn lists_and_maps_break_a_circle_and_members_do_not() {
        let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
        let (api, _) = model(
            json!({}),
            json!({
            "A": {"properties": {"b": reference("B"), "c": {"type": "array", "items": reference("C")}}},
            "B": {"properties": {"a": {"nullable": true, "allOf": [reference("A")]}}}, "C": {"properties": {"a": reference("A")}},
            "L": {"additionalProperties": reference("M")}, "M": {"type": "array", "items": reference("L")}, "N": {"type": "array", "items": reference("A")}}),
        );
        let graph = Graph::of(&api);
        assert!(graph.leads_back("B", "A") && graph.leads_back("A", "A") && graph.leads_back("C", "A"));
        assert!(!graph.leads_back("A", "C"));
        assert!(graph.names_itself("L") && graph.names_itself("M") && !graph.names_itself("N"));
    }
}
