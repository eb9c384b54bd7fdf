//! What a drawing promises, on random scenes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::build;
use super::layout::{Layout, Rect, lay_out};
use super::measure::port_offset;
use super::scene::{BoxStyle, End, ItemId, Kind, Line, LineStyle, Net, NetStyle, Node, NodeStyle, Place, Scene};
use crate::graph::ops::Input;
use crate::graph::ops::activation::{Activation, Function};
use crate::graph::ops::add::Add;
use crate::graph::{self, Body, BodyId, Dim, Graph, Op, Region, Run, Type, Users, Value};
use proptest::prelude::*;

fn node(n_inputs: usize, n_outputs: usize, n_lines: usize, place: Place) -> Kind {
    let line = Line { style: LineStyle::Path, text: "layer.*.attention.q".into() };
    let style = if place == Place::Anywhere { NodeStyle::Plain } else { NodeStyle::Port };
    Kind::Node(Node {
        style,
        title: "linear".into(),
        lines: vec![line; n_lines],
        n_inputs,
        n_outputs,
        hint: String::new(),
        place,
    })
}

/// What one step of building a scene does: boxes to close, boxes to open, inputs of the next node.
type Step = (usize, usize, Vec<usize>, usize, usize);

/// A scene in evaluation order, as graphs are drawn: boxes hold nodes that follow one another.
fn scene(steps: &[Step], rails: usize) -> Scene {
    let mut scene = Scene::default();
    let sheet = Kind::Box { title: "a sheet".into(), style: BoxStyle::Sheet, children: vec![] };
    scene.add(Scene::SHEET, sheet);
    let mut open: Vec<ItemId> = vec![Scene::SHEET];
    let mut values: Vec<(End, usize)> = vec![];
    let region = Kind::Box { title: "layer x 4".into(), style: BoxStyle::Region, children: vec![] };
    let region = scene.add(Scene::SHEET, region);
    open.push(region);
    let entries: Vec<ItemId> = (0..rails).map(|_| scene.add(region, node(1, 1, 1, Place::Top))).collect();
    let add_net = |scene: &mut Scene, item: ItemId, port: usize, values: &mut Vec<(End, usize)>| {
        let source = End { item, port };
        let style = if port == 1 { NetStyle::Minor } else { NetStyle::Plain };
        scene.nets.push(Net { source, targets: vec![], label: "[B, T, 128]".into(), label_at: item, style });
        values.push((source, scene.nets.len() - 1));
    };
    for entry in &entries {
        add_net(&mut scene, *entry, 0, &mut values);
    }
    for (close, opens, reads, n_outputs, n_lines) in steps {
        open.truncate(open.len().saturating_sub(*close).max(2));
        for _ in 0..*opens {
            let kind = Kind::Box { title: "attention".into(), style: BoxStyle::Scope, children: vec![] };
            let item = scene.add(*open.last().unwrap(), kind);
            open.push(item);
        }
        let reads: Vec<usize> = if values.is_empty() { vec![] } else { reads.clone() };
        let item = scene.add(*open.last().unwrap(), node(reads.len(), *n_outputs, *n_lines, Place::Anywhere));
        for (port, read) in reads.iter().enumerate() {
            let (_, net) = values[read % values.len()];
            scene.nets[net].targets.push(End { item, port });
        }
        for port in 0..*n_outputs {
            add_net(&mut scene, item, port, &mut values);
        }
    }
    let mut exits = vec![];
    for (k, entry) in entries.iter().enumerate() {
        let exit = scene.add(region, node(1, 1, 1, Place::Bottom));
        let (_, net) = values[values.len() - 1 - k % values.len()];
        scene.nets[net].targets.push(End { item: exit, port: 0 });
        scene.nets.push(Net {
            source: End { item: exit, port: 0 },
            targets: vec![End { item: *entry, port: 0 }],
            label: String::new(),
            label_at: exit,
            style: NetStyle::Carried,
        });
        exits.push(exit);
    }
    for exit in exits {
        let reader = scene.add(Scene::SHEET, node(1, 0, 0, Place::Anywhere));
        let targets = vec![End { item: reader, port: 0 }];
        let source = End { item: exit, port: 0 };
        scene.nets.push(Net { source, targets, label: "[B, T]".into(), label_at: region, style: NetStyle::Plain });
    }
    scene
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let reads = prop::collection::vec(0_usize..1000, 0..4);
    prop::collection::vec((0_usize..3, 0_usize..2, reads, 0_usize..4, 0_usize..4), 1..24)
}

fn overlap(a: Rect, b: Rect) -> bool {
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

fn inside(inner: Rect, outer: Rect) -> bool {
    inner.x >= outer.x
        && inner.y >= outer.y
        && inner.x + inner.width <= outer.x + outer.width
        && inner.y + inner.height <= outer.y + outer.height
}

/// Every promise at once; the text says which one is broken.
fn faults(scene: &Scene, layout: &Layout) -> Vec<String> {
    let mut faults = vec![];
    let rect = |id: ItemId| layout.rects[id];
    for (id, item) in scene.items.iter().enumerate() {
        if let Some(parent) = item.parent
            && !inside(rect(id), rect(parent))
        {
            faults.push(format!("item {id} sticks out of {parent}"));
        }
        let children = scene.children(id);
        for (i, a) in children.iter().enumerate() {
            for b in &children[i + 1..] {
                if overlap(rect(*a), rect(*b)) {
                    faults.push(format!("{a} and {b} overlap"));
                }
            }
        }
    }
    let nodes: Vec<(ItemId, Rect)> =
        (0..scene.items.len()).filter(|id| scene.node(*id).is_some()).map(|id| (id, rect(id))).collect();
    let port = |end: &End, outgoing: bool| {
        let node = scene.node(end.item).unwrap();
        let of = rect(end.item);
        let n = if outgoing { node.n_outputs } else { node.n_inputs };
        let y = if outgoing { of.y + of.height } else { of.y };
        (of.x + of.width / 2 + port_offset(of.width, n, end.port), y)
    };
    for (id, net) in scene.nets.iter().enumerate() {
        if net.style == NetStyle::Carried {
            let rail = layout.rails.iter().find(|r| r.net == id).unwrap();
            let (first, last) = (rail.points[0], *rail.points.last().unwrap());
            let (source, target) = (rect(net.source.item), rect(net.targets[0].item));
            if first.1 != source.y + source.height || first.0 <= source.x || first.0 >= source.x + source.width {
                faults.push(format!("rail {id} does not start at its node"));
            }
            if last.1 != target.y || last.0 <= target.x || last.0 >= target.x + target.width {
                faults.push(format!("rail {id} does not end at its node"));
            }
            for pair in rail.points.windows(2) {
                let (a, b) = (pair[0], pair[1]);
                let line = Rect {
                    x: a.0.min(b.0),
                    y: a.1.min(b.1),
                    width: (a.0 - b.0).abs().max(1),
                    height: (a.1 - b.1).abs().max(1),
                };
                for (node, of) in nodes.iter().filter(|(n, _)| *n != net.source.item && *n != net.targets[0].item) {
                    if overlap(line, *of) {
                        faults.push(format!("rail {id} runs through node {node}"));
                    }
                }
            }
            continue;
        }
        let wires: Vec<_> = layout.wires.iter().filter(|w| w.net == id).collect();
        if net.targets.is_empty() {
            continue;
        }
        let start = port(&net.source, true);
        if !wires.iter().any(|w| w.points[0] == start) {
            faults.push(format!("net {id} does not start at its node"));
        }
        for target in &net.targets {
            if !wires.iter().any(|w| w.arrow && w.points[2] == port(target, false)) {
                faults.push(format!("net {id} does not reach {target:?}"));
            }
        }
        for wire in &wires {
            let from = wire.points[0];
            if from != start && !wires.iter().any(|w| w.points[2] == from) {
                faults.push(format!("a piece of net {id} starts in the air at {from:?}"));
            }
            if wire.points[0].1 > wire.points[1].1 || wire.points[1].1 > wire.points[2].1 {
                faults.push(format!("net {id} goes up"));
            }
        }
    }
    // Lines keep clear of nodes and of labels that are not theirs.
    let labels: Vec<(usize, Rect)> =
        layout.labels.iter().map(|l| (l.net, Rect { x: l.x, y: l.y - 9, width: l.width, height: 11 })).collect();
    for wire in &layout.wires {
        let [a, b, c] = wire.points;
        let fall = Rect { x: a.0, y: a.1, width: 1, height: b.1 - a.1 };
        let aside = Rect { x: b.0.min(c.0), y: b.1, width: (b.0 - c.0).abs() + 1, height: c.1 - b.1 };
        for (id, of) in &nodes {
            if overlap(fall, *of) || overlap(aside, *of) {
                faults.push(format!("net {} runs through node {id}", wire.net));
            }
        }
        for (net, of) in &labels {
            if overlap(fall, *of) || overlap(aside, *of) {
                faults.push(format!("net {} runs through the label of {net}", wire.net));
            }
        }
    }
    for (i, (net, a)) in labels.iter().enumerate() {
        if labels[i + 1..].iter().any(|(_, b)| overlap(*a, *b)) || nodes.iter().any(|(_, b)| overlap(*a, *b)) {
            faults.push(format!("the label of net {net} overlaps something"));
        }
    }
    faults
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]
    #[test]
    fn drawings_keep_their_promises(steps in steps(), rails in 0_usize..4) {
        let scene = scene(&steps, rails);
        let layout = lay_out(&scene);
        let faults = faults(&scene, &layout);
        prop_assert!(faults.is_empty(), "{faults:#?}");
        prop_assert_eq!(layout, lay_out(&scene));
    }
}

#[test]
fn an_empty_scene_is_a_sheet() {
    let mut scene = Scene::default();
    scene.add(Scene::SHEET, Kind::Box { title: String::new(), style: BoxStyle::Sheet, children: vec![] });
    assert!(faults(&scene, &lay_out(&scene)).is_empty());
    assert_eq!(lay_out(&Scene::default()), Layout::default());
}

fn stream() -> Type {
    Type::compute([Dim::Batch, Dim::Time, Dim::Fixed(8)])
}

fn add(body: &mut Body, op: impl Into<Op>, scope: &str, ty: Type, inputs: &[Value]) -> Value {
    let node = graph::Node { op: op.into(), span: None, scope: scope.into(), types: vec![ty] };
    Value { node: body.add(node, inputs), port: 0 }
}

/// Two kinds of layer, a list that each layer adds to and a list that each reads from, a value that is
/// the same in all, and something else beside it.
fn graph_with_everything() -> Graph {
    let mut graph = Graph::default();
    let mut root = Body::default();
    let start = add(&mut root, Op::Input(Input::Weights), "", stream(), &[]);
    let same = add(&mut root, Activation { function: Function::Silu }, "", stream(), &[start]);
    let list = add(&mut root, Op::Input(Input::Targets), "", stream().listed(3), &[]);
    let body = |n: usize| {
        let mut body = Body { arguments: vec![stream(); 3], ..Body::default() };
        let carried = add(&mut body, Op::Argument(0), "", stream(), &[]);
        let fixed = add(&mut body, Op::Argument(1), "", stream(), &[]);
        let element = add(&mut body, Op::Argument(2), "", stream(), &[]);
        let mut x = add(&mut body, Add::default(), "layer.*", stream(), &[carried, element]);
        for _ in 0..n {
            x = add(&mut body, Activation { function: Function::Silu }, "layer.*.gate.inner", stream(), &[x]);
        }
        let y = add(&mut body, Add::default(), "layer.*.gate", stream(), &[x, fixed]);
        let z = add(&mut body, Add::default(), "layer.*", stream(), &[y, carried]);
        body.results = vec![z, y];
        body
    };
    let run = |body, first, count| Run { body: BodyId(body), first, count };
    let region = Region {
        label: "layer".into(),
        runs: vec![run(1, 0, 1), run(2, 1, 1), run(1, 2, 1)],
        n_carried: 1,
        n_invariant: 1,
        mapped: vec![Users::All],
        collected: vec![Users::All],
        reversed: false,
    };
    let node = graph::Node {
        op: Op::Repeat(region.clone()),
        span: None,
        scope: String::new(),
        types: vec![stream(), stream().listed(3)],
    };
    let node = root.add(node, &[start, same, list]);
    // The second region goes back and reads what the first one kept.
    let kept = Value { node, port: 1 };
    let end = Value { node, port: 0 };
    let back = graph::Node {
        op: Op::Repeat(Region { reversed: true, ..region }),
        span: None,
        scope: String::new(),
        types: vec![stream(), stream().listed(3)],
    };
    let back = root.add(back, &[end, same, kept]);
    let out = add(&mut root, Add::default(), "head", stream(), &[Value { node: back, port: 0 }, end]);
    graph.outputs = vec![("out".into(), out)];
    let param = graph::Param {
        path: "layer.*.x".into(),
        indices: vec![graph::Indices::all(3)],
        shape: vec![8],
        init: graph::Init::Ones,
        span: None,
    };
    graph.params.push(param);
    graph.grads = vec![(graph::ParamId(0), Value { node: back, port: 1 })];
    graph.bodies = vec![root, body(1), body(2)];
    graph
}

#[test]
fn every_part_of_a_graph_has_its_place() {
    let scene = build::scene(&graph_with_everything(), "everything");
    let layout = lay_out(&scene);
    let faults = faults(&scene, &layout);
    assert!(faults.is_empty(), "{faults:#?}");
    let text = super::svg(&graph_with_everything(), "a < b");
    for word in [
        "layer x 3, 24 parameters",
        "layer 0, 2",
        "layer 1",
        "from the layer before",
        "to the layer after",
        "this layer&apos;s element",
        "kept as #1",
        "reads #1",
        "from the last to the first",
        "grad layer.*.x",
        ">gate<",
        ">inner<",
        ">head<",
        "a &lt; b",
    ] {
        let word = word.replace("&apos;", "'");
        assert!(text.contains(&word), "{word} in\n{text}");
    }
}
