//! From a scene to coordinates: every box is laid out on its own, innermost first, and stands in the
//! one around it as a single cell with ports on its border where lines go in and out.

use super::level::{self, Cell, LANE, Line, Row, Solved};
use super::measure::{
    BOX_TITLE, BOX_TITLE_HEIGHT, LABEL_INDENT, SHAPE, SHEET_TITLE, SHEET_TITLE_HEIGHT, bold, mono, node_size,
    port_offset,
};
use super::scene::{BoxStyle, End, ItemId, Kind, NetId, NetStyle, Place, Scene};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    pub x: i64,
    pub y: i64,
    pub width: i64,
    pub height: i64,
}

/// A piece of a net: straight down from the first point to the second, then over to the third.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    pub net: NetId,
    pub points: [(i64, i64); 3],
    /// Whether it ends at a node, and not at the border of a box.
    pub arrow: bool,
    /// The box in which it runs.
    pub within: ItemId,
}

/// From the end of a layer to its beginning: corners of a line along the box's right side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rail {
    pub net: NetId,
    pub points: Vec<(i64, i64)>,
}

/// A shape, written to the right of this point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    pub net: NetId,
    pub x: i64,
    pub y: i64,
    pub width: i64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// Of each item of the scene.
    pub rects: Vec<Rect>,
    pub wires: Vec<Wire>,
    pub rails: Vec<Rail>,
    pub labels: Vec<Label>,
    /// Left upper corner of each box's title.
    pub titles: Vec<(ItemId, i64, i64)>,
}

/// An end of a net within one box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tip {
    Border,
    /// A port of a child that is a node.
    Port(ItemId, usize),
    /// A child that is a box.
    Inside(ItemId),
}

/// What one box has of one net.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    from: Tip,
    to: Vec<Tip>,
}

/// A box laid out on its own; the origin is its left upper corner.
#[derive(Default)]
struct Inner {
    solved: Solved,
    /// The child of each cell; borders have none.
    cells: Vec<Option<ItemId>>,
    /// Distance of a net's port from the left.
    inputs: BTreeMap<NetId, i64>,
    outputs: BTreeMap<NetId, i64>,
    rails: Vec<Rail>,
}

pub fn lay_out(scene: &Scene) -> Layout {
    let parts = split(scene);
    let mut labels: BTreeMap<ItemId, Vec<NetId>> = BTreeMap::new();
    for (id, net) in scene.nets.iter().enumerate() {
        if net.style != NetStyle::Carried && !net.label.is_empty() {
            labels.entry(net.label_at).or_default().push(id);
        }
    }
    let sizes = node_sizes(scene, &labels);
    let mut inners: BTreeMap<ItemId, Inner> = BTreeMap::new();
    // Items are added after the boxes that hold them.
    for id in (0..scene.items.len()).rev() {
        if matches!(scene.items.get(id).map(|i| &i.kind), Some(Kind::Box { .. })) {
            let inner = lay_out_box(scene, id, &parts, &labels, &sizes, &inners);
            inners.insert(id, inner);
        }
    }
    let mut layout = Layout { rects: vec![Rect::default(); scene.items.len()], ..Layout::default() };
    if let Some(inner) = inners.get(&Scene::SHEET) {
        let (width, height) = (inner.solved.width, inner.solved.height);
        let sheet = Rect { x: 0, y: 0, width, height };
        fix(Scene::SHEET, sheet, scene, &inners, &sizes, &labels, &mut layout);
    }
    layout
}

fn node_sizes(scene: &Scene, labels: &BTreeMap<ItemId, Vec<NetId>>) -> Vec<(i64, i64)> {
    let size = |id: ItemId| {
        let texts =
            labels.get(&id).into_iter().flatten().filter_map(|net| scene.nets.get(*net)).map(|n| n.label.as_str());
        scene.node(id).map_or((0, 0), |node| node_size(node, &texts.collect::<Vec<_>>()))
    };
    (0..scene.items.len()).map(size).collect()
}

/// The parts of each net in the boxes that it passes.
fn split(scene: &Scene) -> BTreeMap<ItemId, BTreeMap<NetId, Part>> {
    let above = |item: ItemId| {
        let mut chain = vec![];
        let mut at = scene.items.get(item).and_then(|i| i.parent);
        while let Some(id) = at {
            chain.push(id);
            at = scene.items.get(id).and_then(|i| i.parent);
        }
        chain
    };
    let tip = |of: ItemId, end: End| match scene.child_towards(of, end.item) {
        Some(child) if child == end.item => Tip::Port(child, end.port),
        Some(child) => Tip::Inside(child),
        None => Tip::Border,
    };
    let mut parts: BTreeMap<ItemId, BTreeMap<NetId, Part>> = BTreeMap::new();
    for (id, net) in scene.nets.iter().enumerate().filter(|(_, net)| net.style != NetStyle::Carried) {
        let sources = above(net.source.item);
        for target in &net.targets {
            let targets = above(target.item);
            let Some(meeting) = sources.iter().find(|b| targets.contains(b)) else { continue };
            let up = sources.iter().take_while(|b| *b != meeting);
            let down = targets.iter().take_while(|b| *b != meeting);
            for within in up.chain([meeting]).chain(down) {
                let of = parts.entry(*within).or_default();
                let part = of.entry(id).or_insert_with(|| Part { from: tip(*within, net.source), to: vec![] });
                let to = tip(*within, *target);
                if !part.to.contains(&to) {
                    part.to.push(to);
                }
            }
        }
    }
    parts
}

fn lay_out_box(
    scene: &Scene,
    id: ItemId,
    parts: &BTreeMap<ItemId, BTreeMap<NetId, Part>>,
    labels: &BTreeMap<ItemId, Vec<NetId>>,
    sizes: &[(i64, i64)],
    inners: &BTreeMap<ItemId, Inner>,
) -> Inner {
    let mut cells: Vec<Cell> = vec![];
    let mut inner = Inner::default();
    let mut cell_of: BTreeMap<ItemId, usize> = BTreeMap::new();
    let title = match scene.items.get(id).map(|i| &i.kind) {
        Some(Kind::Box { title, style: BoxStyle::Sheet, .. }) => (bold(title, SHEET_TITLE), SHEET_TITLE_HEIGHT),
        Some(Kind::Box { title, .. }) => (bold(title, BOX_TITLE), BOX_TITLE_HEIGHT),
        _ => (0, 0),
    };
    for child in scene.children(id) {
        let (width, height) = size_of(*child, sizes, inners);
        let reach = labels.get(child).into_iter().flatten().filter_map(|net| {
            let port = label_port(scene, *net, *child, width, inners)?;
            Some(port + LABEL_INDENT + mono(&scene.nets.get(*net)?.label, SHAPE))
        });
        let row = match scene.node(*child).map_or(Place::Anywhere, |node| node.place) {
            Place::Anywhere => Row::Anywhere,
            Place::Top => Row::First,
            Place::Bottom => Row::Last,
        };
        let cell = Cell { width, height, row, label_reach: reach.max() };
        cell_of.insert(*child, cells.len());
        cells.push(cell);
        inner.cells.push(Some(*child));
    }
    let mut lines = vec![];
    let empty = BTreeMap::new();
    for (net, part) in parts.get(&id).unwrap_or(&empty) {
        let mut locate = |tip: Tip, outgoing: bool| -> Option<(usize, i64)> {
            match tip {
                Tip::Border => {
                    let row = if outgoing { Row::TopBorder } else { Row::BottomBorder };
                    cells.push(Cell { width: 0, height: 0, row, label_reach: None });
                    inner.cells.push(None);
                    let borders = if outgoing { &mut inner.inputs } else { &mut inner.outputs };
                    // The cell for now; where it is comes later.
                    borders.insert(*net, cells.len() as i64 - 1);
                    Some((cells.len() - 1, 0))
                }
                Tip::Port(item, port) => {
                    let cell = *cell_of.get(&item)?;
                    let node = scene.node(item)?;
                    let n = if outgoing { node.n_outputs } else { node.n_inputs };
                    Some((cell, port_offset(cells.get(cell)?.width, n, port)))
                }
                Tip::Inside(item) => {
                    let cell = *cell_of.get(&item)?;
                    let child = inners.get(&item)?;
                    let borders = if outgoing { &child.outputs } else { &child.inputs };
                    Some((cell, borders.get(net)? - cells.get(cell)?.width / 2))
                }
            }
        };
        let Some((from, from_port)) = locate(part.from, true) else { continue };
        for to in &part.to {
            let Some((to, to_port)) = locate(*to, false) else { continue };
            // Lines that do not part are kept straight before those that do; the readers of one value are
            // kept near it, and so side by side.
            let (straight, short) = match scene.nets.get(*net) {
                Some(net) if net.style == NetStyle::Minor => (1, 1),
                Some(net) if net.targets.len() == 1 => (6, 1),
                _ => (3, 2),
            };
            lines.push(Line { net: *net, from, from_port, to, to_port, straight, short });
        }
    }
    let carried = carried_of(scene, id);
    inner.solved = level::solve(&cells, &lines, carried.len(), title);
    for borders in [&mut inner.inputs, &mut inner.outputs] {
        for at in borders.values_mut() {
            *at = inner.solved.corners.get(*at as usize).map_or(0, |(x, _)| *x);
        }
    }
    for (k, net) in carried.into_iter().enumerate() {
        inner.rails.extend(rail(scene, net, k as i64, &inner.solved, &cells, &cell_of));
    }
    inner
}

fn size_of(item: ItemId, sizes: &[(i64, i64)], inners: &BTreeMap<ItemId, Inner>) -> (i64, i64) {
    match inners.get(&item) {
        Some(inner) => (inner.solved.width, inner.solved.height),
        None => sizes.get(item).copied().unwrap_or_default(),
    }
}

/// From the middle of an item to the line whose label stands below it.
fn label_port(scene: &Scene, net: NetId, item: ItemId, width: i64, inners: &BTreeMap<ItemId, Inner>) -> Option<i64> {
    match inners.get(&item) {
        Some(inner) => Some(inner.outputs.get(&net)? - width / 2),
        None => Some(port_offset(width, scene.node(item)?.n_outputs, scene.nets.get(net)?.source.port)),
    }
}

/// Nets that come back within this box.
fn carried_of(scene: &Scene, id: ItemId) -> Vec<NetId> {
    let here = |end: &End| scene.items.get(end.item).and_then(|i| i.parent) == Some(id);
    let nets = scene.nets.iter().enumerate();
    nets.filter(|(_, n)| n.style == NetStyle::Carried && here(&n.source)).map(|(i, _)| i).collect()
}

fn rail(
    scene: &Scene,
    net: NetId,
    k: i64,
    solved: &Solved,
    cells: &[Cell],
    cell_of: &BTreeMap<ItemId, usize>,
) -> Option<Rail> {
    let of = scene.nets.get(net)?;
    let find = |item: ItemId| {
        let cell = *cell_of.get(&item)?;
        let (x, y) = *solved.corners.get(cell)?;
        let cell = cells.get(cell)?;
        // Near the right end, so that it stays apart from the line in the middle.
        Some((x + cell.width - 8, y, cell.height))
    };
    let (from_x, from_y, height) = find(of.source.item)?;
    let (to_x, to_y, _) = find(of.targets.first()?.item)?;
    let lane = k * LANE + LANE / 2;
    let (below, above) = (solved.lower_lanes + lane, solved.upper_lanes + lane);
    let right = solved.width - LANE - k * LANE;
    let points =
        vec![(from_x, from_y + height), (from_x, below), (right, below), (right, above), (to_x, above), (to_x, to_y)];
    Some(Rail { net, points })
}

/// Moves a box and all in it to its place.
fn fix(
    id: ItemId,
    rect: Rect,
    scene: &Scene,
    inners: &BTreeMap<ItemId, Inner>,
    sizes: &[(i64, i64)],
    labels: &BTreeMap<ItemId, Vec<NetId>>,
    layout: &mut Layout,
) {
    if let Some(slot) = layout.rects.get_mut(id) {
        *slot = rect;
    }
    let Some(inner) = inners.get(&id) else { return };
    let shift = |(x, y): (i64, i64)| (x + rect.x, y + rect.y);
    layout.titles.push((id, rect.x + inner.solved.title, rect.y));
    for (cell, child) in inner.cells.iter().enumerate() {
        let Some(corner) = inner.solved.corners.get(cell) else { continue };
        let (x, y) = shift(*corner);
        let Some(child) = child else { continue };
        let (width, height) = size_of(*child, sizes, inners);
        fix(*child, Rect { x, y, width, height }, scene, inners, sizes, labels, layout);
        for net in labels.get(child).into_iter().flatten() {
            let port = label_port(scene, *net, *child, width, inners);
            if let (Some(port), Some(of)) = (port, scene.nets.get(*net)) {
                let (x, y) = (x + width / 2 + port + LABEL_INDENT, y + height + 12);
                layout.labels.push(Label { net: *net, x, y, width: mono(&of.label, SHAPE) });
            }
        }
    }
    for piece in &inner.solved.pieces {
        let arrow =
            piece.to.is_some_and(|c| inner.cells.get(c).is_some_and(|i| i.is_some_and(|i| scene.node(i).is_some())));
        layout.wires.push(Wire { net: piece.net, points: piece.points.map(shift), arrow, within: id });
    }
    for rail in &inner.rails {
        layout.rails.push(Rail { net: rail.net, points: rail.points.iter().copied().map(shift).collect() });
    }
}
