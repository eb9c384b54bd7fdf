//! A graph that the language cannot write: parameters shared across a repeat, collected and mapped
//! lists, values carried untouched.

use dlmc::graph::ops::{
    Input, add::Add, embed::Embed, gelu::Gelu, linear::Linear, mul::Mul, rms_norm::RmsNorm, silu::Silu,
};
use dlmc::graph::validate::validate;
use dlmc::graph::{
    Body, BodyId, Dim, Elem, Graph, Init, Node, Op, Param, ParamId, Region, Run, Type, ValidGraph, Value,
};

const DIM: u64 = 6;

struct Hand {
    graph: Graph,
}

impl Hand {
    fn param(&mut self, path: &str, repeats: &[u64], shape: &[u64]) -> ParamId {
        let init = Init::Normal { std: 1.0 };
        let param = Param { path: path.into(), repeats: repeats.into(), shape: shape.into(), init, span: None };
        self.graph.params.push(param);
        ParamId(self.graph.params.len() as u32 - 1)
    }

    fn read(&self, body: &mut Body, id: ParamId) -> Value {
        let shape: Vec<Dim> = self.graph.param(id).unwrap().shape.iter().map(|n| Dim::Fixed(*n)).collect();
        push(body, Op::Param(id), &[], vec![Type::compute(shape)])
    }
}

fn push(body: &mut Body, op: Op, inputs: &[Value], types: Vec<Type>) -> Value {
    Value { node: body.add(Node { op, span: None, scope: String::new(), types }, inputs), port: 0 }
}

fn op(body: &mut Body, op: impl Into<Op>, inputs: &[Value]) -> Value {
    let op = op.into();
    let types: Vec<Type> = inputs.iter().map(|v| body.type_of(*v).unwrap().clone()).collect();
    let types = op.operation().unwrap().infer(&types.iter().collect::<Vec<_>>()).unwrap();
    push(body, op, inputs, types)
}

fn argument(body: &mut Body, ty: Type) -> Value {
    body.arguments.push(ty.clone());
    let k = body.arguments.len() - 1;
    push(body, Op::Argument(k), &[], vec![ty])
}

fn repeat(label: &str, body: BodyId, count: u64, n: [usize; 3]) -> Op {
    let [n_carried, n_invariant, n_mapped] = n;
    let runs = vec![Run { body, first: 0, count }];
    Op::Repeat(Region { label: label.into(), runs, n_carried, n_invariant, n_mapped, reversed: false })
}

/// Two repeats at the root: `a` (2 x) holds `b` (3 x) and collects a list, which `c` (2 x) maps over.
/// `gain` and `mix` live at the root and are read inside `a`, `b` and `c`; `a.*.inner` lives in `a`
/// and is read inside `b`; `e` and its product with x are invariants that need gradients.
pub fn everything(tied: bool, vocab: u64) -> ValidGraph {
    let mut hand = Hand { graph: Graph::default() };
    let x_type = Type::compute([Dim::Batch, Dim::Time, Dim::Fixed(DIM)]);
    let table = hand.param("table", &[], &[vocab, DIM]);
    let gain = hand.param("gain", &[], &[DIM]);
    let mix = hand.param("mix", &[], &[DIM, DIM]);
    let inner = hand.param("a.*.inner", &[2], &[DIM, DIM]);
    let own_a = hand.param("a.*.own", &[2], &[DIM]);
    let own_b = hand.param("a.*.b.*.own", &[2, 3], &[DIM, DIM]);
    let own_c = hand.param("c.*.own", &[2], &[DIM, DIM]);

    // b: carried x and an untouched y; invariants e and s. Collects gelu(x W).
    let mut b = Body::default();
    let [x, y, e, s] = [0; 4].map(|_| argument(&mut b, x_type.clone()));
    let w = hand.read(&mut b, own_b);
    let h = op(&mut b, Linear, &[x, w]);
    let h = op(&mut b, Gelu, &[h]);
    let w = hand.read(&mut b, inner);
    let h2 = op(&mut b, Linear, &[h, w]);
    let w = hand.read(&mut b, mix);
    let h3 = op(&mut b, Linear, &[h2, w]);
    let product = op(&mut b, Mul, &[e, x]);
    let next = op(&mut b, Add, &[h3, product]);
    let next = op(&mut b, Add, &[next, s]);
    let g = hand.read(&mut b, gain);
    let next = op(&mut b, RmsNorm { eps: 1e-3 }, &[next, g]);
    b.results = vec![next, y, h];

    // a: carried x; invariant e. Collects silu(x) after b.
    let mut a = Body::default();
    let [x, e] = [0; 2].map(|_| argument(&mut a, x_type.clone()));
    let s = op(&mut a, Silu, &[x]);
    let types = vec![x_type.clone(), x_type.clone(), x_type.listed(3)];
    let region = push(&mut a, repeat("b", BodyId(2), 3, [2, 2, 0]), &[x, x, e, s], types);
    let untouched = Value { port: 1, ..region };
    let sum = op(&mut a, Add, &[region, untouched]);
    let g = hand.read(&mut a, own_a);
    let scaled = op(&mut a, Mul, &[sum, g]);
    let g = hand.read(&mut a, gain);
    let next = op(&mut a, Add, &[scaled, g]);
    let seen = op(&mut a, Silu, &[next]);
    a.results = vec![next, seen];

    // c: carried x; mapped over a's list.
    let mut c = Body::default();
    let [x, seen] = [0; 2].map(|_| argument(&mut c, x_type.clone()));
    let w = hand.read(&mut c, own_c);
    let h = op(&mut c, Linear, &[seen, w]);
    let w = hand.read(&mut c, mix);
    let h = op(&mut c, Linear, &[h, w]);
    let next = op(&mut c, Mul, &[x, h]);
    let next = op(&mut c, Add, &[next, x]);
    c.results = vec![next];

    let mut root = Body::default();
    let rows = [Dim::Batch, Dim::Time];
    let tokens = Type::new(Elem::Index { cardinality: vocab }, rows);
    let tokens = push(&mut root, Op::Input(Input::Tokens), &[], vec![tokens]);
    let w = hand.read(&mut root, table);
    let x = op(&mut root, Embed, &[w, tokens]);
    let w_mix = hand.read(&mut root, mix);
    let e = op(&mut root, Linear, &[x, w_mix]);
    let types = vec![x_type.clone(), x_type.listed(2)];
    let region = push(&mut root, repeat("a", BodyId(1), 2, [1, 1, 0]), &[x, e], types);
    let list = Value { port: 1, ..region };
    let x = push(&mut root, repeat("c", BodyId(3), 2, [1, 0, 1]), &[region, list], vec![x_type.clone()]);
    let x = op(&mut root, Add, &[x, e]);
    let logits = if tied {
        let w = hand.read(&mut root, table);
        op(&mut root, Linear, &[x, w])
    } else {
        let head = hand.param("head", &[], &[vocab, DIM]);
        let w = hand.read(&mut root, head);
        op(&mut root, Linear, &[x, w])
    };
    hand.graph.bodies = vec![root, a, b, c];
    hand.graph.outputs = vec![("logits".into(), logits)];
    validate(hand.graph).unwrap()
}
