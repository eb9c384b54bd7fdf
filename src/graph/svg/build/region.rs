//! A `repeat` as a box: ends of what it carries, lists, and its bodies.

use super::words::Word;
use super::{Builder, Source, Sources};
use crate::base::number::grouped;
use crate::graph::svg::scene::{BoxStyle, End, ItemId, Kind, Line, LineStyle, Net, NetStyle, Node, NodeStyle, Place};
use crate::graph::{self, Region, Type, Users, Value};
use petgraph::graph::NodeIndex;
use std::collections::BTreeMap;

/// What a region has around it.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    pub index: NodeIndex,
    pub node: &'a graph::Node,
    /// The box in which it stands.
    pub parent: ItemId,
    /// Where its inputs come from.
    pub read: &'a [Option<Source>],
    pub given: &'a BTreeMap<Value, Vec<Word>>,
    /// Names of lists that are not drawn.
    pub lists: &'a BTreeMap<Value, String>,
    /// Ports that something reads.
    pub ports: &'a BTreeMap<NodeIndex, Vec<u16>>,
}

impl Builder<'_> {
    pub fn region(&mut self, region: &Region, outside: &Outside<'_>, sources: &mut Sources) {
        let Outside { index, node, parent, read, given, lists, ports } = *outside;
        let base: Vec<&str> = [node.scope.as_str(), &region.label, "*"].into_iter().filter(|s| !s.is_empty()).collect();
        let base = base.join(".");
        let title = self.region_title(region, &base);
        let frame = self.scene.add(parent, Kind::Box { title, style: BoxStyle::Region, children: vec![] });
        let n_whole = region.n_carried + region.n_invariant;

        let mut arguments = vec![];
        let mut entries = vec![];
        for (k, source) in read.iter().enumerate() {
            let is_carried = k < region.n_carried;
            let argument = match source {
                Some(Source::Kept(word)) if k >= n_whole => Source::Kept(word.clone()),
                Some(source) if !is_carried && k < n_whole => source.clone(),
                source => {
                    let words = match (is_carried, region.reversed) {
                        (true, false) => "from the layer before",
                        (true, true) => "from the layer after",
                        (false, _) => "this layer's element",
                    };
                    let ty = match source {
                        Some(Source::Port { ty, .. }) if is_carried => ty.clone(),
                        Some(Source::Port { ty, .. }) => ty.element().unwrap_or_default(),
                        _ => node.types.get(k).filter(|_| is_carried).cloned().unwrap_or_default(),
                    };
                    let drawn = matches!(source, Some(Source::Port { .. }));
                    let words = words.replace("layer", &region.label);
                    let item = self.port(frame, &words, Place::Top, usize::from(drawn), 1, &ty);
                    if drawn {
                        self.connect(source.as_ref(), End { item, port: 0 });
                    }
                    if is_carried {
                        entries.push(item);
                    }
                    Source::Port { end: End { item, port: 0 }, ty }
                }
            };
            arguments.push(argument);
        }

        // Ends first: values inside need them, and the names of what is not drawn.
        let mut exits: Vec<Option<ItemId>> = vec![];
        let mut named: Vec<Vec<Word>> = vec![];
        for (port, ty) in node.types.iter().enumerate() {
            let value = Value { node: index, port: port as u16 };
            let is_carried = port < region.n_carried;
            let mut words: Vec<Word> = given.get(&value).cloned().unwrap_or_default();
            if let Some(word) = lists.get(&value) {
                words.push(Word::Kept(word.clone()));
                sources.insert(value, Source::Kept(word.clone()));
            }
            let is_read =
                ports.get(&index).is_some_and(|ports| ports.contains(&value.port)) && !lists.contains_key(&value);
            if !is_carried && !is_read {
                named.push(words);
                exits.push(None);
                continue;
            }
            named.push(if is_carried { vec![] } else { words.clone() });
            let text = match (is_carried, region.reversed) {
                (true, false) => "to the layer after".replace("layer", &region.label),
                (true, true) => "to the layer before".replace("layer", &region.label),
                (false, _) => "list of all".to_string(),
            };
            let item = self.port(frame, &text, Place::Bottom, 1, 1, ty);
            if is_carried {
                self.note(&Source::Port { end: End { item, port: 0 }, ty: ty.clone() }, Some(&words));
            }
            exits.push(Some(item));
            sources.insert(value, Source::Port { end: End { item, port: 0 }, ty: ty.clone() });
        }

        let bodies = region.bodies();
        for id in &bodies {
            let Some(body) = self.graph.body(*id) else { continue };
            let within = if bodies.len() == 1 {
                frame
            } else {
                let title = format!("{} {}", region.label, region.indices(&Users::Only([*id].into())));
                self.scene.add(frame, Kind::Box { title, style: BoxStyle::Body, children: vec![] })
            };
            // A body knows of the lists that it takes part in, and of no others.
            let pick = |lists: &[Users], n: usize| -> Vec<usize> {
                let own = region.lists_by_body(lists).remove(id).unwrap_or_default();
                (0..n).chain(own.into_iter().map(|i| n + i)).collect()
            };
            let own = pick(&region.mapped, n_whole).into_iter().filter_map(|k| arguments.get(k).cloned()).collect();
            let results = pick(&region.collected, region.n_carried);
            let mut inner_given: BTreeMap<Value, Vec<Word>> = BTreeMap::new();
            for (result, k) in body.results.iter().zip(&results) {
                inner_given.entry(*result).or_default().extend(named.get(*k).into_iter().flatten().cloned());
            }
            let inner = self.body(body, within, &base, own, &inner_given);
            for (result, k) in body.results.iter().zip(&results) {
                if let Some(Some(item)) = exits.get(*k) {
                    self.connect(inner.get(result), End { item: *item, port: 0 });
                }
            }
        }
        for (entry, exit) in entries.iter().zip(&exits) {
            if let Some(exit) = exit {
                self.scene.nets.push(Net {
                    source: End { item: *exit, port: 0 },
                    targets: vec![End { item: *entry, port: 0 }],
                    label: String::new(),
                    label_at: *exit,
                    style: NetStyle::Carried,
                });
            }
        }
    }

    /// `layer x 26, 996,000,000 parameters`
    fn region_title(&self, region: &Region, base: &str) -> String {
        let mut title = format!("{} x {}", region.label, grouped(region.count()));
        if region.reversed {
            title.push_str(", from the last to the first");
        } else {
            let own = self.graph.params.iter().filter(|p| p.path.starts_with(&format!("{base}.")));
            let n: u64 = own.map(|p| p.n_elements() * p.n_instances()).sum();
            if n > 0 {
                title.push_str(&format!(", {} parameters", grouped(n)));
            }
        }
        title
    }

    fn port(
        &mut self,
        within: ItemId,
        words: &str,
        place: Place,
        n_inputs: usize,
        n_outputs: usize,
        ty: &Type,
    ) -> ItemId {
        let node = Node {
            style: NodeStyle::Port,
            title: String::new(),
            lines: vec![Line { style: LineStyle::Attribute, text: words.to_string() }],
            n_inputs,
            n_outputs,
            hint: format!("{words}: {ty}"),
            place,
        };
        self.scene.add(within, Kind::Node(node))
    }
}
