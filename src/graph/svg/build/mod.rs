//! From a graph to what is drawn of it.
//!
//! - A parameter is a line of text in the node that reads it, not a node.
//! - Nodes made in one scope (`attention`) stand in a box, as far as they follow one another.
//! - A `repeat` is a box drawn once. What it carries goes in at a port, comes out at another, and
//!   returns along the side; what is the same in all layers is read across the border.
//! - A list that only a backward pass reads (an activation kept for it), and a gradient that the
//!   graph gives, are named in the nodes where they are made and read: as lines they would bury all else.

mod region;
mod words;

use super::scene::{BoxStyle, End, ItemId, Kind, Line, LineStyle, Net, NetStyle, Node, NodeStyle, Place, Scene};
use crate::base::number::grouped;
use crate::graph::{self, AlongT, Body, Elem, Graph, Op, ParamId, Type, Value, shape_text};
use petgraph::graph::NodeIndex;
use std::collections::{BTreeMap, BTreeSet};
use words::{Word, attribute_lines, common, joined, list_words, notes, ports_read, relative};

pub fn scene(graph: &Graph, heading: &str) -> Scene {
    let mut scene = Scene::default();
    let sheet = Kind::Box { title: heading.into(), style: BoxStyle::Sheet, children: vec![] };
    scene.add(Scene::SHEET, sheet);
    let mut builder = Builder { graph, scene, nets: BTreeMap::new(), counted: BTreeSet::new(), n_kept: 0 };
    let Some(root) = graph.body(Graph::ROOT) else { return builder.scene };
    let mut given: BTreeMap<Value, Vec<Word>> = BTreeMap::new();
    for (id, value) in &graph.grads {
        let path = graph.param(*id).map_or("?", |p| &p.path);
        given.entry(*value).or_default().push(Word::Gradient(format!("grad {path}")));
    }
    let inside = builder.body(root, Scene::SHEET, "", vec![], &given);
    for (name, value) in &graph.outputs {
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
                    let outside =
                        region::Outside { index, node, parent, read: &read, given, lists: &lists, ports: &ports };
                    self.region(region, &outside, &mut sources);
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
                if param.indices.is_empty() { String::new() } else { format!(" x {}", grouped(param.n_instances())) };
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
