//! One level of nesting: cells in ranks from top to bottom, lines between them.
//!
//! Ranks keep lines short (network simplex), a line that passes a rank has a place of its own there,
//! orders come from [`super::order`], and x coordinates keep lines straight (network simplex again).
//! Below each rank is a strip in which lines only fall: the shapes stand there, and nothing crosses
//! them. Between that strip and the next rank lines may move sideways. So no line touches a cell or a
//! label that is not its own, by construction.
#![allow(clippy::indexing_slicing)] // cells, entries and ranks are counted here

use super::order::{Link, reduce_crossings};
use super::simplex::{self, Edge};

/// Where a cell may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// On the box's upper border, without a height.
    TopBorder,
    First,
    Anywhere,
    Last,
    BottomBorder,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    pub width: i64,
    pub height: i64,
    pub row: Row,
    /// How far its labels reach to the right of its middle, and whether it has any.
    pub label_reach: Option<i64>,
}

/// A line between ports, given as offsets from the middles of the cells. Lines of one net from one
/// port run together until they part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    pub net: usize,
    pub from: usize,
    pub from_port: i64,
    pub to: usize,
    pub to_port: i64,
    /// How much it matters that it goes straight down, and that it is short.
    pub straight: i64,
    pub short: i64,
}

/// A piece of a line: straight down from the first point to the second, then over to the third.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub net: usize,
    pub points: [(i64, i64); 3],
    /// The cell it ends at, unless it goes on.
    pub to: Option<usize>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Solved {
    /// Left upper corner of each cell.
    pub corners: Vec<(i64, i64)>,
    /// Left end of the title; its top is the box's.
    pub title: i64,
    pub pieces: Vec<Piece>,
    pub width: i64,
    pub height: i64,
    /// Heights of the strips for rails above the first rank and below the last.
    pub upper_lanes: i64,
    pub lower_lanes: i64,
}

const PAD: i64 = 14;
const CELL_GAP: i64 = 22;
const LINE_GAP: i64 = 14;
/// The strip below a rank: with labels, and without.
const LABEL_STRIP: i64 = 18;
const PLAIN_STRIP: i64 = 5;
/// Height in which lines move sideways.
const LEAST_MOVE: i64 = 18;
const MOST_MOVE: i64 = 64;
/// Between two rails.
pub const LANE: i64 = 9;

struct Entry {
    rank: usize,
    left: i64,
    right: i64,
    /// A cell, or the passing of a line.
    cell: Option<usize>,
}

/// A step of a line from rank to rank, between entries.
struct Step {
    net: usize,
    from: usize,
    from_port: i64,
    to: usize,
    to_port: i64,
    weight: i64,
}

/// `rails`: how many lines come back along the right side. `title`: width and height.
pub fn solve(cells: &[Cell], lines: &[Line], rails: usize, title: (i64, i64)) -> Solved {
    let ranks = assign_ranks(cells, lines);
    let n_ranks = ranks.iter().copied().max().unwrap_or(0) + 1;
    let mut entries: Vec<Entry> = cells
        .iter()
        .zip(&ranks)
        .enumerate()
        .map(|(i, (cell, rank))| Entry {
            rank: *rank,
            left: cell.width / 2,
            right: (cell.width / 2).max(cell.label_reach.unwrap_or(0)),
            cell: Some(i),
        })
        .collect();
    let steps = step_lines(lines, &ranks, &mut entries);
    let order = order_entries(&entries, &steps, n_ranks);
    let x = place(&entries, &steps, &order);
    draw(cells, &entries, &steps, &order, &x, rails, title)
}

fn assign_ranks(cells: &[Cell], lines: &[Line]) -> Vec<usize> {
    let n = cells.len();
    let (top, bottom) = (n, n + 1);
    // Much heavier than all lines together.
    let heavy = 1 + lines.iter().map(|l| l.short).sum::<i64>();
    let end = |cell: usize| match cells[cell].row {
        Row::TopBorder => top,
        Row::BottomBorder => bottom,
        _ => cell,
    };
    let mut edges: Vec<Edge> =
        lines.iter().map(|line| Edge::new(end(line.from), end(line.to), 1, line.short)).collect();
    for (i, cell) in cells.iter().enumerate() {
        match cell.row {
            Row::TopBorder | Row::BottomBorder => {}
            row => {
                edges.push(Edge::new(top, i, 1, if row == Row::First { heavy } else { 0 }));
                edges.push(Edge::new(i, bottom, 1, if row == Row::Last { heavy } else { 0 }));
            }
        }
    }
    edges.push(Edge::new(top, bottom, 1, 0));
    let values = simplex::solve(n + 2, &edges);
    // Without a heavy pull on it the top could float; it is the least by its edges.
    let first = values[top];
    (0..n).map(|i| (values[end(i)] - first).max(0) as usize).collect()
}

/// A net and the port that it leaves: the cell, and the offset from its middle.
type Start = (usize, usize, i64);

/// Lines cut at every rank. Lines of one net from one port share their passings.
fn step_lines(lines: &[Line], ranks: &[usize], entries: &mut Vec<Entry>) -> Vec<Step> {
    let mut trunks: Vec<(Start, Vec<&Line>)> = vec![];
    for line in lines {
        let key = (line.net, line.from, line.from_port);
        match trunks.iter_mut().find(|(k, _)| *k == key) {
            Some((_, of)) => of.push(line),
            None => trunks.push((key, vec![line])),
        }
    }
    let mut steps = vec![];
    for ((net, from, from_port), mut branches) in trunks {
        branches.sort_by_key(|line| ranks[line.to]);
        let (mut at, mut port) = (from, from_port);
        let mut rank = ranks[from];
        for line in branches {
            while rank + 1 < ranks[line.to] {
                rank += 1;
                let passing = entries.len();
                entries.push(Entry { rank, left: 0, right: 0, cell: None });
                let passed = entries[at].cell.is_none();
                let weight = line.straight * if passed { 8 } else { 2 };
                steps.push(Step { net, from: at, from_port: port, to: passing, to_port: 0, weight });
                (at, port) = (passing, 0);
            }
            let weight = line.straight * if entries[at].cell.is_none() { 2 } else { 1 };
            steps.push(Step { net, from: at, from_port: port, to: line.to, to_port: line.to_port, weight });
        }
    }
    steps
}

fn order_entries(entries: &[Entry], steps: &[Step], n_ranks: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<Vec<usize>> = vec![vec![]; n_ranks];
    for (i, entry) in entries.iter().enumerate() {
        order[entry.rank].push(i);
    }
    let links: Vec<Link> = steps
        .iter()
        .filter(|s| entries[s.from].rank + 1 == entries[s.to].rank)
        .map(|s| Link { from: s.from, from_port: s.from_port, to: s.to, to_port: s.to_port, weight: 1 })
        .collect();
    reduce_crossings(&mut order, &links, entries.len());
    order
}

/// x of the middle of each entry.
fn place(entries: &[Entry], steps: &[Step], order: &[Vec<usize>]) -> Vec<i64> {
    let n = entries.len();
    let mut edges = vec![];
    for rank in order {
        for pair in rank.windows(2) {
            let (a, b) = (&entries[pair[0]], &entries[pair[1]]);
            let gap = if a.cell.is_some() && b.cell.is_some() { CELL_GAP } else { LINE_GAP };
            edges.push(Edge::new(pair[0], pair[1], a.right + gap + b.left, 0));
        }
    }
    // A helper node for each step stands left of both ends and is drawn to them: what it costs is
    // the distance between them.
    for (k, step) in steps.iter().enumerate() {
        edges.push(Edge::new(n + k, step.from, -step.from_port, step.weight));
        edges.push(Edge::new(n + k, step.to, -step.to_port, step.weight));
    }
    let mut x = simplex::solve(n + steps.len(), &edges);
    x.truncate(n);
    x
}

fn draw(
    cells: &[Cell],
    entries: &[Entry],
    steps: &[Step],
    order: &[Vec<usize>],
    x: &[i64],
    rails: usize,
    title: (i64, i64),
) -> Solved {
    let n_ranks = order.len();
    let left = entries.iter().zip(x).map(|(e, x)| x - e.left).min().unwrap_or(0);
    let right = entries.iter().zip(x).map(|(e, x)| x + e.right).max().unwrap_or(0);
    let x: Vec<i64> = x.iter().map(|x| x - left + PAD).collect();
    let lanes = rails as i64 * LANE;
    let last = n_ranks - 1;
    let is_bottom = |e: &usize| entries[*e].cell.is_some_and(|c| cells[c].row == Row::BottomBorder);
    let has_outputs = order[last].iter().any(is_bottom);
    let last_cells = if has_outputs { last.saturating_sub(1) } else { last };

    // From top to bottom: the rank, its strip, the lanes of rails, the room to move.
    let mut tops = vec![];
    let mut strips = vec![];
    let mut y = 0;
    let mut solved = Solved::default();
    for (r, rank) in order.iter().enumerate() {
        tops.push(y);
        let rank_cells = || rank.iter().filter_map(|e| entries[*e].cell.map(|c| &cells[c]));
        y += rank_cells().map(|c| c.height).max().unwrap_or(0);
        if r == 0 {
            y += title.1;
        }
        let labelled = rank_cells().any(|c| c.label_reach.is_some());
        y += if labelled { LABEL_STRIP } else { PLAIN_STRIP };
        if r == 0 {
            solved.upper_lanes = y;
            y += lanes;
        }
        if r == last_cells {
            solved.lower_lanes = y;
            y += lanes;
        }
        strips.push(y);
        if r < last {
            let leaving = steps.iter().filter(|s| entries[s.from].rank == r);
            let aside = leaving.map(|s| (x[s.from] + s.from_port - x[s.to] - s.to_port).abs()).max();
            let room = aside.map_or(PLAIN_STRIP, |d| (LEAST_MOVE + d / 5).min(MOST_MOVE));
            y += room;
        }
    }
    solved.height = if has_outputs { tops[last] } else { y + PAD / 2 };
    solved.title = title_place(cells, entries, &x, title.0);
    solved.width = right - left + 2 * PAD + if rails > 0 { lanes + LANE } else { 0 };
    solved.width = solved.width.max(solved.title + title.0 + PAD);
    solved.width += solved.width % 2;

    for (i, cell) in cells.iter().enumerate() {
        let rank = entries[i].rank;
        let top = if cell.row == Row::BottomBorder { solved.height } else { tops[rank] };
        solved.corners.push((x[i] - cell.width / 2, top));
    }
    for step in steps {
        let (from, to) = (&entries[step.from], &entries[step.to]);
        let start = match from.cell {
            Some(c) if cells[c].row == Row::TopBorder => 0,
            Some(c) => tops[from.rank] + cells[c].height,
            None => tops[from.rank],
        };
        let end = match to.cell {
            Some(c) if cells[c].row == Row::BottomBorder => solved.height,
            _ => tops[to.rank],
        };
        let (a, b) = (x[step.from] + step.from_port, x[step.to] + step.to_port);
        solved.pieces.push(Piece {
            net: step.net,
            points: [(a, start), (a, strips[from.rank]), (b, end)],
            to: to.cell,
        });
    }
    solved
}

/// The leftmost place for the title in which no line comes in.
fn title_place(cells: &[Cell], entries: &[Entry], x: &[i64], width: i64) -> i64 {
    let incoming = entries.iter().zip(x).filter(|(e, _)| e.cell.is_some_and(|c| cells[c].row == Row::TopBorder));
    let mut lines: Vec<i64> = incoming.map(|(_, x)| *x).collect();
    lines.sort_unstable();
    let mut at = PAD;
    for line in lines {
        if line < at + width + LINE_GAP / 2 {
            at = at.max(line + LINE_GAP);
        }
    }
    at
}
