//! From a graph to what is drawn of it.
//!
//! - A parameter is a line of text in the node that reads it, not a node.
//! - Nodes made in one scope (`attention`) stand in a box, as far as they follow one another.
//! - A `repeat` is a box drawn once. What it carries goes in at a port, comes out at another, and
//!   returns along the side; what is the same in all layers is read across the border.
//! - A list that only a backward pass reads (an activation kept for it), and a gradient that the
//!   graph gives, are named in the nodes where they are made and read: as lines they would bury all else.

use super::scene::{BoxStyle, End, ItemId, Kind, Line, LineStyle, Net, NetStyle, Node, NodeStyle, Place, Scene};
use crate::base::number::grouped;
use crate::graph::{self, AlongT, Body, BodyId, Elem, Graph, Op, ParamId, Region, Type, Value, shape_text};
use petgraph::graph::NodeIndex;
use std::collections::{BTreeMap, BTreeSet};

/// Characters in a line of attributes.
const LINE_WIDTH: usize = 30;

pub fn scene(graph: &Graph, heading: &str) -> Scene {
    let mut scene = Scene::default();
    let sheet = Kind::Box { title: heading.into(), style: BoxStyle::Sheet, children: vec![] };
    scene.add(Scene::SHEET, sheet);
    let mut builder = Builder { graph, scene, nets: BTreeMap::new(), counted: BTreeSet::new(), n_kept: 0 };
    let Some(root) = graph.body(Graph::ROOT) else { return builder.scene };
    let mut given: BTreeMap<Value, Vec<Word>> = BTreeMap::new();
    for (name, value) in graph.outputs.iter().filter(|(name, _)| name.starts_with("grad.")) {
        given.entry(*value).or_default().push(Word::Gradient(name.replacen('.', " ", 1)));
    }
    let inside = builder.body(root, Scene::SHEET, "", vec![], &given);
    for (name, value) in graph.outputs.iter().filter(|(name, _)| !name.starts_with("grad.")) {
        let node = Node {
            style: NodeStyle::Output,
            title: name.clone(),
            lines: vec![],
            n_inputs: 1,
            n_outputs: 0,
            hint: format!("the graph's output {name}"),
            place: Place::Anywhere,
        };
        let item = builder.scene.add(Scene::SHEET, Kind::Node(node));
        builder.connect(inside.get(value), End { item, port: 0 });
    }
    builder.scene
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq)]
enum Source {
    Port {
        end: End,
        ty: Type,
    },
    Param(ParamId),
    /// A list that is named and not drawn.
    Kept(String),
}

/// Where a value goes that no line shows.
#[derive(Clone, Debug, PartialEq)]
enum Word {
    Kept(String),
    Gradient(String),
}

struct Builder<'a> {
    graph: &'a Graph,
    scene: Scene,
    nets: BTreeMap<(ItemId, usize), usize>,
    /// Parameters whose count has been shown.
    counted: BTreeSet<ParamId>,
    n_kept: usize,
}

type Sources = BTreeMap<Value, Source>;

impl Builder<'_> {
    /// Draws a body into a box. `arguments` are where its arguments come from; `given` are words for
    /// values that go elsewhere than along lines.
    fn body(
        &mut self,
        body: &Body,
        within: ItemId,
        base: &str,
        arguments: Vec<Source>,
        given: &BTreeMap<Value, Vec<Word>>,
    ) -> Sources {
        let mut sources = Sources::new();
        let ports = ports_read(self.graph, body);
        let lists = list_words(body, &mut self.n_kept);
        let inputs = self.batch_inputs(body);
        // Boxes that are open, outermost first.
        let mut open: Vec<(String, ItemId)> = vec![];
        for (index, node) in body.nodes() {
            let value = Value { node: index, port: 0 };
            let reads: Vec<Value> = body.inputs(index);
            match &node.op {
                Op::Argument(k) => {
                    if let Some(source) = arguments.get(*k) {
                        sources.insert(value, source.clone());
                        self.note(source, given.get(&value));
                    }
                }
                Op::Param(id) => {
                    sources.insert(value, Source::Param(*id));
                }
                Op::Input(input) => {
                    // Beside its readers: the scope that they share.
                    let shared = inputs.get(&index).cloned().unwrap_or_default();
                    let parent = self.enter(&mut open, &relative(&shared, base), within);
                    let shown = self.plain(node, input.name(), NodeStyle::Input, vec![], 0, 1);
                    let item = self.scene.add(parent, Kind::Node(shown));
                    let end = End { item, port: 0 };
                    let ty = node.types.first().cloned().unwrap_or_default();
                    sources.insert(value, Source::Port { end, ty });
                }
                Op::Repeat(region) => {
                    let parent = self.enter(&mut open, &relative(&node.scope, base), within);
                    let read: Vec<Option<Source>> = reads.iter().map(|v| sources.get(v).cloned()).collect();
                    self.region(region, index, node, parent, &read, given, &lists, &mut sources);
                }
                op => {
                    let parent = self.enter(&mut open, &relative(&node.scope, base), within);
                    let drawn = |v: &&Value| matches!(sources.get(*v), Some(Source::Port { .. }));
                    let n_inputs = reads.iter().filter(drawn).count();
                    let mut lines = attribute_lines(op);
                    let mut style = match op.operation().map(|o| o.along_t()) {
                        Some(AlongT::Mixing) => NodeStyle::Mixing,
                        _ => NodeStyle::Plain,
                    };
                    let mut kept = vec![];
                    for read in &reads {
                        match sources.get(read) {
                            Some(Source::Param(id)) => {
                                lines.extend(self.param_lines(*id));
                                style = if style == NodeStyle::Mixing { style } else { NodeStyle::Weights };
                            }
                            Some(Source::Kept(word)) => kept.push(word.clone()),
                            _ => {}
                        }
                    }
                    lines.extend(joined("reads", &kept));
                    let ports = ports.get(&index).cloned().unwrap_or_default();
                    let values = (0..node.types.len()).map(|port| Value { node: index, port: port as u16 });
                    lines.extend(notes(&values.filter_map(|v| given.get(&v)).flatten().cloned().collect::<Vec<_>>()));
                    let shown = self.plain(node, op.name(), style, lines, n_inputs, ports.len());
                    let item = self.scene.add(parent, Kind::Node(shown));
                    let mut port = 0;
                    for read in &reads {
                        let source = sources.get(read).cloned();
                        if matches!(source, Some(Source::Port { .. })) {
                            self.connect(source.as_ref(), End { item, port });
                            port += 1;
                        }
                    }
                    for (k, of) in ports.into_iter().enumerate() {
                        let ty = node.types.get(of as usize).cloned().unwrap_or_default();
                        sources
                            .insert(Value { node: index, port: of }, Source::Port { end: End { item, port: k }, ty });
                    }
                }
            }
        }
        sources
    }

    #[allow(clippy::too_many_arguments)]
    fn region(
        &mut self,
        region: &Region,
        index: NodeIndex,
        node: &graph::Node,
        parent: ItemId,
        read: &[Option<Source>],
        given: &BTreeMap<Value, Vec<Word>>,
        lists: &BTreeMap<Value, String>,
        sources: &mut Sources,
    ) {
        let base: Vec<&str> = [node.scope.as_str(), &region.label, "*"].into_iter().filter(|s| !s.is_empty()).collect();
        let base = base.join(".");
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
        let frame = Kind::Box { title, style: BoxStyle::Region, children: vec![] };
        let frame = self.scene.add(parent, frame);
        let bodies = distinct_bodies(region);
        let first = bodies.first().and_then(|(id, _)| self.graph.body(*id));
        let type_of = |k: usize| first.and_then(|b| b.arguments.get(k).cloned()).unwrap_or_default();

        let mut arguments = vec![];
        let mut entries = vec![];
        for (k, source) in read.iter().enumerate() {
            let is_carried = k < region.n_carried;
            let is_mapped = k >= region.n_carried + region.n_invariant;
            let argument = match source {
                Some(Source::Kept(word)) if is_mapped => Source::Kept(word.clone()),
                Some(source) if !is_carried && !is_mapped => source.clone(),
                source => {
                    let words = match (is_carried, region.reversed) {
                        (true, false) => "from the layer before",
                        (true, true) => "from the layer after",
                        (false, _) => "this layer's element",
                    };
                    let words = words.replace("layer", &region.label);
                    let ty = type_of(k);
                    let drawn = matches!(source, Some(Source::Port { .. }));
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
            let is_list_of_notes = !is_carried && (lists.contains_key(&value) || !words.is_empty());
            if let Some(word) = lists.get(&value) {
                words.push(Word::Kept(word.clone()));
                sources.insert(value, Source::Kept(word.clone()));
            }
            named.push(if is_carried { vec![] } else { words.clone() });
            if is_list_of_notes {
                exits.push(None);
                continue;
            }
            let text = match (is_carried, region.reversed) {
                (true, false) => "to the layer after".replace("layer", &region.label),
                (true, true) => "to the layer before".replace("layer", &region.label),
                (false, _) => "list of all".to_string(),
            };
            let item = self.port(frame, &text, Place::Bottom, 1, 1, ty);
            if is_carried {
                self.note(&Source::Port { end: End { item, port: 0 }, ty: ty.clone() }, given.get(&value));
            }
            exits.push(Some(item));
            sources.insert(value, Source::Port { end: End { item, port: 0 }, ty: ty.clone() });
        }

        for (id, indices) in &bodies {
            let Some(body) = self.graph.body(*id) else { continue };
            let within = if bodies.len() == 1 {
                frame
            } else {
                let title = format!("{} {indices}", region.label);
                self.scene.add(frame, Kind::Box { title, style: BoxStyle::Body, children: vec![] })
            };
            let mut inner_given: BTreeMap<Value, Vec<Word>> = BTreeMap::new();
            for (result, words) in body.results.iter().zip(&named) {
                inner_given.entry(*result).or_default().extend(words.iter().cloned());
            }
            let inner = self.body(body, within, &base, arguments.clone(), &inner_given);
            for (result, exit) in body.results.iter().zip(&exits) {
                if let Some(item) = exit {
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

    /// Opens the boxes of a scope and closes those that it leaves.
    fn enter(&mut self, open: &mut Vec<(String, ItemId)>, scope: &[&str], within: ItemId) -> ItemId {
        let shared = open.iter().zip(scope).take_while(|((name, _), wanted)| name == *wanted).count();
        open.truncate(shared);
        for name in scope.iter().skip(shared) {
            let parent = open.last().map_or(within, |(_, item)| *item);
            let kind = Kind::Box { title: (*name).to_string(), style: BoxStyle::Scope, children: vec![] };
            let item = self.scene.add(parent, kind);
            open.push(((*name).to_string(), item));
        }
        open.last().map_or(within, |(_, item)| *item)
    }

    fn plain(
        &self,
        node: &graph::Node,
        title: &str,
        style: NodeStyle,
        lines: Vec<Line>,
        n_inputs: usize,
        n_outputs: usize,
    ) -> Node {
        let types: Vec<String> = node.types.iter().map(Type::to_string).collect();
        let scope = if node.scope.is_empty() { String::new() } else { format!(" in {}", node.scope) };
        let hint = format!("{}{scope}: {}", node.op.name(), types.join("; "));
        Node { style, title: title.to_string(), lines, n_inputs, n_outputs, hint, place: Place::Anywhere }
    }

    fn param_lines(&mut self, id: ParamId) -> Vec<Line> {
        let Some(param) = self.graph.param(id) else { return vec![] };
        let mut lines = vec![Line { style: LineStyle::Path, text: param.path.clone() }];
        // The second reader of a parameter holds no more of them.
        if self.counted.insert(id) {
            let n = grouped(param.n_elements());
            let times =
                if param.repeats.is_empty() { String::new() } else { format!(" x {}", grouped(param.n_instances())) };
            let shape: Vec<graph::Dim> = param.shape.iter().map(|n| graph::Dim::Fixed(*n)).collect();
            lines.push(Line { style: LineStyle::Count, text: format!("{} = {n}{times}", shape_text(&shape)) });
        }
        lines
    }

    /// Words on a node that stands already.
    fn note(&mut self, source: &Source, words: Option<&Vec<Word>>) {
        if let Source::Port { end, .. } = source
            && let Some(Kind::Node(node)) = self.scene.items.get_mut(end.item).map(|i| &mut i.kind)
        {
            node.lines.extend(words.into_iter().flat_map(|words| notes(words)));
        }
    }

    fn connect(&mut self, source: Option<&Source>, target: End) {
        let Some(Source::Port { end, ty }) = source else { return };
        let id = *self.nets.entry((end.item, end.port)).or_insert_with(|| {
            let style = if matches!(ty.elem, Elem::Index { .. }) { NetStyle::Minor } else { NetStyle::Plain };
            // What a region gives is labelled where it leaves the region: inside, a rail goes there too.
            let is_exit = self.scene.node(end.item).is_some_and(|n| n.place == Place::Bottom);
            let around = self.scene.items.get(end.item).and_then(|i| i.parent).filter(|_| is_exit);
            let label_at = around.unwrap_or(end.item);
            self.scene.nets.push(Net { source: *end, targets: vec![], label: ty.to_string(), label_at, style });
            self.scene.nets.len() - 1
        });
        if let Some(net) = self.scene.nets.get_mut(id) {
            net.targets.push(target);
        }
    }

    /// For each input of the batch that the body reads, the scope that all its readers share.
    fn batch_inputs(&self, body: &Body) -> BTreeMap<NodeIndex, String> {
        let mut shared: BTreeMap<NodeIndex, String> = BTreeMap::new();
        for (index, node) in body.nodes() {
            for read in body.inputs(index) {
                if matches!(body.node(read.node).map(|n| &n.op), Some(Op::Input(_))) {
                    shared
                        .entry(read.node)
                        .and_modify(|scope| *scope = common(scope, &node.scope))
                        .or_insert_with(|| node.scope.clone());
                }
            }
        }
        shared
    }
}

fn notes(words: &[Word]) -> Vec<Line> {
    let mut kept = vec![];
    let mut gradients = vec![];
    for word in words {
        match word {
            Word::Kept(name) => kept.push(name.clone()),
            Word::Gradient(text) => gradients.push(Line { style: LineStyle::Note, text: text.clone() }),
        }
    }
    let mut lines = joined("kept as", &kept);
    lines.extend(gradients);
    lines
}

/// `reads #1, #2`, in lines that are not too long.
fn joined(verb: &str, names: &[String]) -> Vec<Line> {
    names
        .chunks(5)
        .enumerate()
        .map(|(i, names)| {
            let verb = if i == 0 { format!("{verb} ") } else { String::new() };
            Line { style: LineStyle::Note, text: format!("{verb}{}", names.join(", ")) }
        })
        .collect()
}

/// The leading parts that two scopes share.
fn common(a: &str, b: &str) -> String {
    let parts = a.split('.').zip(b.split('.')).take_while(|(a, b)| a == b);
    parts.map(|(a, _)| a).collect::<Vec<_>>().join(".")
}

/// What a scope adds to the one around it.
fn relative<'a>(scope: &'a str, base: &str) -> Vec<&'a str> {
    let mut parts: Vec<&str> = scope.split('.').filter(|p| !p.is_empty()).collect();
    let n = parts.iter().zip(base.split('.')).take_while(|(a, b)| **a == *b).count();
    parts.drain(..n);
    parts.retain(|p| *p != "*");
    parts
}

/// Attributes as text, a few to a line.
fn attribute_lines(op: &Op) -> Vec<Line> {
    let mut lines: Vec<String> = vec![];
    // A switch that is off says nothing.
    let attributes = op.operation().map(|o| o.attributes()).unwrap_or_default();
    for (name, value) in attributes.into_iter().filter(|(_, value)| value != "false") {
        let text = format!("{name}: {value}");
        match lines.last_mut() {
            Some(line) if line.chars().count() + text.chars().count() + 2 <= LINE_WIDTH => {
                line.push_str(", ");
                line.push_str(&text);
            }
            _ => lines.push(text),
        }
    }
    lines.into_iter().map(|text| Line { style: LineStyle::Attribute, text }).collect()
}

/// Ports of each node that something reads.
fn ports_read(graph: &Graph, body: &Body) -> BTreeMap<NodeIndex, Vec<u16>> {
    let mut read: BTreeMap<NodeIndex, BTreeSet<u16>> = BTreeMap::new();
    for (index, _) in body.nodes() {
        for value in body.inputs(index) {
            read.entry(value.node).or_default().insert(value.port);
        }
    }
    let is_root = graph.body(Graph::ROOT).is_some_and(|root| std::ptr::eq(root, body));
    let outputs = graph.outputs.iter().filter(|(name, _)| is_root && !name.starts_with("grad.")).map(|(_, v)| v);
    for value in outputs.chain(&body.results) {
        read.entry(value.node).or_default().insert(value.port);
    }
    read.into_iter().map(|(node, ports)| (node, ports.into_iter().collect())).collect()
}

/// Names for the lists that only backward passes read, element by element.
fn list_words(body: &Body, n_kept: &mut usize) -> BTreeMap<Value, String> {
    let mut readers: BTreeMap<Value, bool> = BTreeMap::new();
    for (index, node) in body.nodes() {
        for (k, value) in body.inputs(index).into_iter().enumerate() {
            let kept = match &node.op {
                Op::Repeat(region) => region.reversed && k >= region.n_carried + region.n_invariant,
                _ => false,
            };
            let all = readers.entry(value).or_insert(true);
            *all &= kept;
        }
    }
    let is_list = |value: &Value| match body.node(value.node).map(|n| &n.op) {
        Some(Op::Repeat(region)) => value.port as usize >= region.n_carried,
        _ => false,
    };
    let kept: Vec<Value> = readers.into_iter().filter(|(v, all)| *all && is_list(v)).map(|(v, _)| v).collect();
    kept.into_iter()
        .map(|value| {
            *n_kept += 1;
            (value, format!("#{n_kept}"))
        })
        .collect()
}

/// A region's bodies in the order of first use, each with the indices it serves.
fn distinct_bodies(region: &Region) -> Vec<(BodyId, String)> {
    let mut bodies: Vec<(BodyId, Vec<String>)> = vec![];
    for run in &region.runs {
        let last = run.first + run.count.saturating_sub(1);
        let text = if last == run.first { run.first.to_string() } else { format!("{}-{last}", run.first) };
        match bodies.iter_mut().find(|(id, _)| *id == run.body) {
            Some((_, texts)) => texts.push(text),
            None => bodies.push((run.body, vec![text])),
        }
    }
    bodies.into_iter().map(|(id, texts)| (id, texts.join(", "))).collect()
}
