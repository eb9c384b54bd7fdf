//! Graphs by hand, with what the language writes seldom or not at all: parameters shared across a
//! repeat, collected and mapped lists, values carried untouched, regions of several bodies.

use dlmc::graph::ops::{
    Input,
    activation::{Activation, Function},
    add::Add,
    embed::Embed,
    linear::Linear,
    mul::Mul,
    rms_norm::RmsNorm,
    scale::Scale,
};
use dlmc::graph::validate::validate;
use dlmc::graph::{
    Body, BodyId, Dim, Elem, Graph, Indices, Init, ListOp, Node, Op, Param, ParamId, Region, Run, Type, Users,
    ValidGraph, Value,
};
use std::collections::BTreeSet;

const DIM: u64 = 6;
const GELU: Activation = Activation { function: Function::Gelu };
const SILU: Activation = Activation { function: Function::Silu };

#[derive(Default)]
pub struct Hand {
    pub graph: Graph,
}

impl Hand {
    pub fn param(&mut self, path: &str, indices: &[Indices], shape: &[u64]) -> ParamId {
        let init = Init::Normal { std: 1.0 };
        let param = Param { path: path.into(), indices: indices.into(), shape: shape.into(), init, span: None };
        self.graph.params.push(param);
        ParamId(self.graph.params.len() as u32 - 1)
    }

    pub fn read(&self, body: &mut Body, id: ParamId) -> Value {
        let shape: Vec<Dim> = self.graph.param(id).unwrap().shape.iter().map(|n| Dim::Fixed(*n)).collect();
        push(body, Op::Param(id), &[], vec![Type::compute(shape)])
    }

    /// `x W^T` with a square weight.
    pub fn linear(&self, body: &mut Body, x: Value, id: ParamId) -> Value {
        let w = self.read(body, id);
        op(body, Linear, &[x, w])
    }

    /// The tokens, embedded.
    pub fn embed(&mut self, root: &mut Body, vocab: u64) -> Value {
        let table = self.param("table", &[], &[vocab, DIM]);
        let tokens = Type::new(Elem::Index { cardinality: vocab }, [Dim::Batch, Dim::Time]);
        let tokens = push(root, Op::Input(Input::Tokens), &[], vec![tokens]);
        let w = self.read(root, table);
        op(root, Embed, &[w, tokens])
    }

    /// Adds the bodies and a head of its own; `bodies[0]` is the root.
    pub fn finish(mut self, mut bodies: Vec<Body>, x: Value, vocab: u64) -> ValidGraph {
        let head = self.param("head", &[], &[vocab, DIM]);
        let logits = self.linear(&mut bodies[0], x, head);
        self.graph.bodies = bodies;
        self.graph.outputs = vec![("logits".into(), logits)];
        validate(self.graph).unwrap()
    }
}

pub fn push(body: &mut Body, op: Op, inputs: &[Value], types: Vec<Type>) -> Value {
    Value { node: body.add(Node { op, span: None, scope: String::new(), types }, inputs), port: 0 }
}

pub fn op(body: &mut Body, op: impl Into<Op>, inputs: &[Value]) -> Value {
    let op = op.into();
    let types: Vec<Type> = inputs.iter().map(|v| body.type_of(*v).unwrap().clone()).collect();
    let types: Vec<&Type> = types.iter().collect();
    let types = match &op {
        Op::List(list) => vec![list.infer(&types).unwrap()],
        op => op.operation().unwrap().infer(&types).unwrap(),
    };
    push(body, op, inputs, types)
}

pub fn argument(body: &mut Body, ty: Type) -> Value {
    body.arguments.push(ty.clone());
    let k = body.arguments.len() - 1;
    push(body, Op::Argument(k), &[], vec![ty])
}

/// `B, T, 6`
pub fn rows() -> Type {
    Type::compute([Dim::Batch, Dim::Time, Dim::Fixed(DIM)])
}

/// A region of one body.
pub fn repeat(label: &str, body: BodyId, count: u64, n: [usize; 3], n_collected: usize) -> Op {
    let [n_carried, n_invariant, n_mapped] = n;
    Op::Repeat(Region {
        label: label.into(),
        runs: vec![Run { body, first: 0, count }],
        n_carried,
        n_invariant,
        mapped: vec![Users::All; n_mapped],
        collected: vec![Users::All; n_collected],
        reversed: false,
    })
}

/// Two repeats at the root: `a` (2 x) holds `b` (3 x) and collects a list, which `c` (2 x) maps over.
/// `gain` and `mix` live at the root and are read inside `a`, `b` and `c`; `a.*.inner` lives in `a`
/// and is read inside `b`; `e` and its product with x are invariants that need gradients.
pub fn everything(tied: bool, vocab: u64) -> ValidGraph {
    let mut hand = Hand::default();
    let x_type = rows();
    let table = hand.param("table", &[], &[vocab, DIM]);
    let gain = hand.param("gain", &[], &[DIM]);
    let mix = hand.param("mix", &[], &[DIM, DIM]);
    let inner = hand.param("a.*.inner", &[Indices::all(2)], &[DIM, DIM]);
    let own_a = hand.param("a.*.own", &[Indices::all(2)], &[DIM]);
    let own_b = hand.param("a.*.b.*.own", &[Indices::all(2), Indices::all(3)], &[DIM, DIM]);
    let own_c = hand.param("c.*.own", &[Indices::all(2)], &[DIM, DIM]);

    // b: carried x and an untouched y; invariants e and s. Collects gelu(x W).
    let mut b = Body::default();
    let [x, y, e, s] = [0; 4].map(|_| argument(&mut b, x_type.clone()));
    let h = hand.linear(&mut b, x, own_b);
    let h = op(&mut b, GELU, &[h]);
    let h2 = hand.linear(&mut b, h, inner);
    let h3 = hand.linear(&mut b, h2, mix);
    let product = op(&mut b, Mul::default(), &[e, x]);
    let next = op(&mut b, Add::default(), &[h3, product]);
    let next = op(&mut b, Add::default(), &[next, s]);
    let g = hand.read(&mut b, gain);
    let next = op(&mut b, RmsNorm { eps: 1e-3 }, &[next, g]);
    b.results = vec![next, y, h];

    // a: carried x; invariant e. Collects silu(x) after b.
    let mut a = Body::default();
    let [x, e] = [0; 2].map(|_| argument(&mut a, x_type.clone()));
    let s = op(&mut a, SILU, &[x]);
    let types = vec![x_type.clone(), x_type.clone(), x_type.listed(3)];
    let region = push(&mut a, repeat("b", BodyId(2), 3, [2, 2, 0], 1), &[x, x, e, s], types);
    let untouched = Value { port: 1, ..region };
    let sum = op(&mut a, Add::default(), &[region, untouched]);
    let g = hand.read(&mut a, own_a);
    let scaled = op(&mut a, Mul::default(), &[sum, g]);
    let g = hand.read(&mut a, gain);
    let next = op(&mut a, Add::default(), &[scaled, g]);
    let seen = op(&mut a, SILU, &[next]);
    a.results = vec![next, seen];

    // c: carried x; mapped over a's list.
    let mut c = Body::default();
    let [x, seen] = [0; 2].map(|_| argument(&mut c, x_type.clone()));
    let h = hand.linear(&mut c, seen, own_c);
    let h = hand.linear(&mut c, h, mix);
    let next = op(&mut c, Mul::default(), &[x, h]);
    let next = op(&mut c, Add::default(), &[next, x]);
    c.results = vec![next];

    let mut root = Body::default();
    let rows = [Dim::Batch, Dim::Time];
    let tokens = Type::new(Elem::Index { cardinality: vocab }, rows);
    let tokens = push(&mut root, Op::Input(Input::Tokens), &[], vec![tokens]);
    let w = hand.read(&mut root, table);
    let x = op(&mut root, Embed, &[w, tokens]);
    let e = hand.linear(&mut root, x, mix);
    let types = vec![x_type.clone(), x_type.listed(2)];
    let region = push(&mut root, repeat("a", BodyId(1), 2, [1, 1, 0], 1), &[x, e], types);
    let list = Value { port: 1, ..region };
    let x = push(&mut root, repeat("c", BodyId(3), 2, [1, 0, 1], 0), &[region, list], vec![x_type.clone()]);
    let x = op(&mut root, Add::default(), &[x, e]);
    if !tied {
        return hand.finish(vec![root, a, b, c], x, vocab);
    }
    let logits = hand.linear(&mut root, x, table);
    hand.graph.bodies = vec![root, a, b, c];
    hand.graph.outputs = vec![("logits".into(), logits)];
    validate(hand.graph).unwrap()
}

/// The runs of a pattern such as `AAABAAAB`, A being body 1.
pub fn runs(pattern: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = vec![];
    for (i, letter) in pattern.bytes().enumerate() {
        let body = BodyId(u32::from(letter - b'A') + 1);
        match runs.last_mut() {
            Some(run) if run.body == body => run.count += 1,
            _ => runs.push(Run { body, first: i as u64, count: 1 }),
        }
    }
    runs
}

/// Where the letters stand in a pattern.
fn at(pattern: &str, letters: &str) -> Indices {
    Indices::of_ranges(pattern.chars().enumerate().filter(|(_, c)| letters.contains(*c)).map(|(i, _)| (i as u64, 1)))
}

/// One region of up to three bodies, at the indices of the pattern's letters.
/// - All bodies carry x and y and have `layer.*.w`: one parameter of A and B, another of C.
/// - A does little. B has a gain, reads `mix` (which lives outside) and the invariant e, and gives
///   what it saw to a list of its own. C holds a region of two steps with parameters of its own,
///   which also reads C's `w`, takes the element of a list mapped by C alone, and leaves y alone.
/// - A and C give to a second list. Both lists are read afterwards, by picking and by a region
///   that maps over one of them backwards.
pub fn patterned(pattern: &str, vocab: u64) -> ValidGraph {
    let mut hand = Hand::default();
    let mut root = Body::default();
    let x = hand.embed(&mut root, vocab);
    let has = |letter: char| pattern.contains(letter);
    let mix = hand.param("mix", &[], &[DIM, DIM]);
    let x_type = rows();

    // A: x + silu(x W), y + x.
    let mut a = Body::default();
    let [x_a, y, _] = [0; 3].map(|_| argument(&mut a, x_type.clone()));
    let w_ab = has('A').then(|| hand.param("layer.*.w", &[at(pattern, "AB")], &[DIM, DIM]));
    let w_ab = w_ab.or_else(|| has('B').then(|| hand.param("layer.*.w", &[at(pattern, "AB")], &[DIM, DIM])));
    if let (true, Some(w)) = (has('A'), w_ab) {
        let h = hand.linear(&mut a, x_a, w);
        let h = op(&mut a, SILU, &[h]);
        let next = op(&mut a, Add::default(), &[x_a, h]);
        let y = op(&mut a, Add::default(), &[y, x_a]);
        a.results = vec![next, y, h];
    }

    // B: norm(gelu(x W) mix * e) with a gain of its own.
    let mut b = Body::default();
    let [x_b, y, e] = [0; 3].map(|_| argument(&mut b, x_type.clone()));
    if let (true, Some(w)) = (has('B'), w_ab) {
        let gain = hand.param("layer.*.gain", &[at(pattern, "B")], &[DIM]);
        let h = hand.linear(&mut b, x_b, w);
        let h = op(&mut b, GELU, &[h]);
        let h2 = hand.linear(&mut b, h, mix);
        let h2 = op(&mut b, Mul::default(), &[h2, e]);
        let next = op(&mut b, Add::default(), &[h2, y]);
        let g = hand.read(&mut b, gain);
        let next = op(&mut b, RmsNorm { eps: 1e-3 }, &[next, g]);
        b.results = vec![next, y, h];
    }

    // C and its steps.
    let mut c = Body::default();
    let [x_c, y, _, seen] = [0; 4].map(|_| argument(&mut c, x_type.clone()));
    let mut step = Body::default();
    if has('C') {
        let here = at(pattern, "C");
        let w = hand.param("layer.*.w", std::slice::from_ref(&here), &[DIM, DIM]);
        let v = hand.param("layer.*.step.*.v", &[here, Indices::all(2)], &[DIM, DIM]);
        let x_step = argument(&mut step, x_type.clone());
        let h = hand.linear(&mut step, x_step, v);
        let h = op(&mut step, GELU, &[h]);
        let h = hand.linear(&mut step, h, w);
        let next = op(&mut step, Add::default(), &[x_step, h]);
        step.results = vec![next];
        let h = hand.linear(&mut c, x_c, w);
        let h = op(&mut c, Mul::default(), &[h, seen]);
        let stepped = push(&mut c, repeat("step", BodyId(5), 2, [1, 0, 0], 0), &[h], vec![x_type.clone()]);
        let next = op(&mut c, Add::default(), &[x_c, stepped]);
        c.results = vec![next, y, h];
    }

    // The list that C takes from: half of it one value, half another.
    let e = hand.linear(&mut root, x, mix);
    let n_c = at(pattern, "C").n();
    let mut inputs = vec![x, x, e];
    let n_lists = usize::from(has('C'));
    if has('C') {
        let copies = op(&mut root, Op::List(ListOp::Copies { count: n_c }), &[e]);
        let first = op(&mut root, Op::List(ListOp::Pick { index: 0 }), &[copies]);
        let placed = op(&mut root, Op::List(ListOp::Place { index: n_c - 1, count: n_c }), &[first]);
        inputs.push(op(&mut root, Op::List(ListOp::Sum), &[copies, placed]));
    }
    let only = |letters: &str| -> BTreeSet<BodyId> {
        let ids = letters.bytes().filter(|l| has(char::from(*l)));
        ids.map(|letter| BodyId(u32::from(letter - b'A') + 1)).collect()
    };
    let mut region = Region {
        label: "layer".into(),
        runs: runs(pattern),
        n_carried: 2,
        n_invariant: 1,
        mapped: vec![Users::Only([BodyId(3)].into()); n_lists],
        collected: vec![],
        reversed: false,
    };
    let mut types = vec![x_type.clone(), x_type.clone()];
    for letters in ["B", "AC"] {
        if !only(letters).is_empty() {
            region.collected.push(Users::of(only(letters), region.bodies().len()));
            types.push(x_type.listed(at(pattern, letters).n()));
        }
    }
    let region = push(&mut root, Op::Repeat(region), &inputs, types.clone());
    let mut x = op(&mut root, Add::default(), &[region, Value { port: 1, ..region }]);
    let lists: Vec<Value> = (2..types.len()).map(|port| Value { port: port as u16, ..region }).collect();
    let mut bodies = vec![root, a, b, c];
    // Late: over the last list from its end, every other element twice.
    let last = *lists.last().unwrap();
    let n = bodies[0].type_of(last).unwrap().list[0];
    let table: Vec<u64> = (0..n).rev().flat_map(|i| if i % 2 == 0 { vec![i, i] } else { vec![] }).collect();
    let late = hand.param("late.*.w", &[Indices::all(table.len() as u64)], &[DIM, DIM]);
    let count = table.len() as u64;
    let turned = op(&mut bodies[0], Op::List(ListOp::Gather { table }), &[last]);
    let mut d = Body::default();
    let [x_d, seen] = [0; 2].map(|_| argument(&mut d, x_type.clone()));
    let h = hand.linear(&mut d, seen, late);
    let h = op(&mut d, Mul::default(), &[h, x_d]);
    let next = op(&mut d, Add::default(), &[x_d, h]);
    d.results = vec![next];
    bodies.push(d);
    x = push(&mut bodies[0], repeat("late", BodyId(4), count, [1, 0, 1], 0), &[x, turned], vec![x_type.clone()]);
    for list in lists {
        let picked = op(&mut bodies[0], Op::List(ListOp::Pick { index: 0 }), &[list]);
        x = op(&mut bodies[0], Add::default(), &[x, picked]);
    }
    bodies.push(step);
    compact(hand, bodies, x, vocab)
}

/// Lists of lists. `outer` (2 x) holds `inner` (3 x), which collects; `outer` collects that list and
/// carries another, which it permutes; the list that it starts from is passed to every iteration
/// too. Afterwards elements of the elements are picked, and a region maps over a list of lists.
pub fn lists_of_lists(vocab: u64) -> ValidGraph {
    let mut hand = Hand::default();
    let mut root = Body::default();
    let x = hand.embed(&mut root, vocab);
    let (x_type, list_type) = (rows(), rows().listed(3));
    let w = hand.param("outer.*.inner.*.w", &[Indices::all(2), Indices::all(3)], &[DIM, DIM]);
    let scale = hand.param("scale", &[], &[DIM]);

    // A list to start from, of three different values.
    let mut start = Body::default();
    let own = hand.param("start.*.w", &[Indices::all(3)], &[DIM, DIM]);
    let x_start = argument(&mut start, x_type.clone());
    let h = hand.linear(&mut start, x_start, own);
    let next = op(&mut start, SILU, &[h]);
    start.results = vec![next, h];
    let types = vec![x_type.clone(), list_type.clone()];
    let started = push(&mut root, repeat("start", BodyId(1), 3, [1, 0, 0], 1), &[x], types);
    let list = Value { port: 1, ..started };

    // inner: carried x; mapped over the carried list.
    let mut inner = Body::default();
    let [x_in, seen] = [0; 2].map(|_| argument(&mut inner, x_type.clone()));
    let h = hand.linear(&mut inner, x_in, w);
    let h = op(&mut inner, Mul::default(), &[h, seen]);
    let next = op(&mut inner, Add::default(), &[x_in, h]);
    inner.results = vec![next, h];

    // outer: carried x and list; invariant list.
    let mut outer = Body::default();
    let x_out = argument(&mut outer, x_type.clone());
    let [carried, fixed] = [0; 2].map(|_| argument(&mut outer, list_type.clone()));
    let types = vec![x_type.clone(), list_type.clone()];
    let stepped = push(&mut outer, repeat("inner", BodyId(3), 3, [1, 0, 1], 1), &[x_out, carried], types);
    let made = Value { port: 1, ..stepped };
    let turned = op(&mut outer, Op::List(ListOp::Gather { table: vec![2, 0, 0] }), &[made]);
    let summed = op(&mut outer, Op::List(ListOp::Sum), &[turned, fixed]);
    let last = op(&mut outer, Op::List(ListOp::Pick { index: 2 }), &[fixed]);
    let g = hand.read(&mut outer, scale);
    let last = op(&mut outer, Mul::default(), &[last, g]);
    let next = op(&mut outer, Add::default(), &[stepped, last]);
    outer.results = vec![next, summed, made];
    let types = vec![x_type.clone(), list_type.clone(), list_type.listed(2)];
    let region = push(&mut root, repeat("outer", BodyId(2), 2, [2, 1, 0], 1), &[started, list, list], types);
    let all = Value { port: 2, ..region };

    // late: mapped over the list of lists, last first.
    let mut late = Body::default();
    let x_late = argument(&mut late, x_type.clone());
    let few = argument(&mut late, list_type.clone());
    let first = op(&mut late, Op::List(ListOp::Pick { index: 0 }), &[few]);
    let next = op(&mut late, Mul::default(), &[x_late, first]);
    let next = op(&mut late, Add::default(), &[next, x_late]);
    late.results = vec![next];
    let turned = op(&mut root, Op::List(ListOp::Gather { table: vec![1, 0] }), &[all]);
    let x = push(&mut root, repeat("late", BodyId(4), 2, [1, 0, 1], 0), &[region, turned], vec![x_type]);
    let picked = op(&mut root, Op::List(ListOp::Pick { index: 1 }), &[all]);
    let picked = op(&mut root, Op::List(ListOp::Pick { index: 1 }), &[picked]);
    let x = op(&mut root, Add::default(), &[x, picked]);
    let carried = op(&mut root, Op::List(ListOp::Pick { index: 1 }), &[Value { port: 1, ..region }]);
    let x = op(&mut root, Add::default(), &[x, carried]);
    hand.finish(vec![root, start, outer, inner, late], x, vocab)
}

/// A repeat of which every layer is a body of its own.
pub fn all_different(count: u64, vocab: u64) -> ValidGraph {
    let mut hand = Hand::default();
    let mut root = Body::default();
    let x = hand.embed(&mut root, vocab);
    let mut bodies = vec![];
    for i in 0..count {
        let w = hand.param("layer.*.w", &[Indices::of_ranges([(i, 1)])], &[DIM, DIM]);
        let mut body = Body::default();
        let x = argument(&mut body, rows());
        let h = hand.linear(&mut body, x, w);
        let h = op(&mut body, SILU, &[h]);
        let h = op(&mut body, Scale { factor: 1.0 / (i + 1) as f64 }, &[h]);
        let next = op(&mut body, Add::default(), &[x, h]);
        body.results = vec![next];
        bodies.push(body);
    }
    let mut region = repeat("layer", BodyId(1), count, [1, 0, 0], 0);
    if let Op::Repeat(region) = &mut region {
        region.runs = (0..count).map(|i| Run { body: BodyId(i as u32 + 1), first: i, count: 1 }).collect();
    }
    let x = push(&mut root, region, &[x], vec![rows()]);
    bodies.insert(0, root);
    hand.finish(bodies, x, vocab)
}

/// Two repeats of five that read the same five matrices; in the second, even layers do something else.
pub fn two_stacks(vocab: u64) -> ValidGraph {
    let mut hand = Hand::default();
    let mut root = Body::default();
    let mut x = hand.embed(&mut root, vocab);
    let w = hand.param("layer.*.w", &[Indices::all(5)], &[DIM, DIM]);
    let gain = hand.param("layer.*.gain", &[Indices::of_ranges([(0, 1), (2, 1), (4, 1)])], &[DIM]);
    let [mut first, mut odd, mut even] = [Body::default(), Body::default(), Body::default()];
    for (body, kind) in [&mut first, &mut odd, &mut even].into_iter().zip(0..) {
        let x = argument(body, rows());
        let h = if kind == 2 { hand.read(body, gain) } else { hand.linear(body, x, w) };
        let next = op(body, if kind == 1 { Op::from(Mul::default()) } else { Op::from(Add::default()) }, &[x, h]);
        body.results = vec![next];
    }
    x = push(&mut root, repeat("layer", BodyId(1), 5, [1, 0, 0], 0), &[x], vec![rows()]);
    let mut second = repeat("layer", BodyId(2), 5, [1, 0, 0], 0);
    if let Op::Repeat(region) = &mut second {
        region.runs =
            (0..5).map(|first| Run { body: BodyId(if first % 2 == 0 { 3 } else { 2 }), first, count: 1 }).collect();
    }
    x = push(&mut root, second, &[x], vec![rows()]);
    hand.finish(vec![root, first, odd, even], x, vocab)
}

/// Leaves out bodies that nothing uses, which a sound graph has not.
fn compact(hand: Hand, bodies: Vec<Body>, x: Value, vocab: u64) -> ValidGraph {
    let used: BTreeSet<usize> = bodies
        .iter()
        .flat_map(|body| {
            body.nodes().filter_map(|(_, n)| if let Op::Repeat(r) = &n.op { Some(r.bodies()) } else { None })
        })
        .flatten()
        .map(|id| id.0 as usize)
        .chain([0])
        .collect();
    let new = |id: BodyId| BodyId(used.iter().position(|old| *old == id.0 as usize).unwrap() as u32);
    let users = |users: &mut Users| {
        if let Users::Only(bodies) = users {
            *bodies = bodies.iter().map(|id| new(*id)).collect();
        }
    };
    let mut kept = vec![];
    for (i, mut body) in bodies.into_iter().enumerate() {
        if !used.contains(&i) {
            continue;
        }
        for node in body.dag.node_weights_mut() {
            if let Op::Repeat(region) = &mut node.op {
                region.runs.iter_mut().for_each(|run| run.body = new(run.body));
                region.mapped.iter_mut().chain(&mut region.collected).for_each(users);
            }
        }
        kept.push(body);
    }
    hand.finish(kept, x, vocab)
}
