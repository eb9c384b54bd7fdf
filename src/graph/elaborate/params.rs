//! Parameters: which one a path means. A path is made of the calls around it, their `as` names, and a
//! label and `*` for each repeat; `share` leaves the innermost repeat out.
//!
//! Bodies of one repeat make their own, at the indices that they run at: on one path, they have no
//! instance in common. Those that are alike become one parameter when the repeat ends. What stands on one
//! path twice otherwise is a mistake, unless two `share` calls made it.

use super::{Builder, Diagnostic, Dim, Init, MAX_PARAM_ELEMENTS, Op, Param, ParamId, Span, Tensor, Type, code};
use crate::graph::Indices;
use std::collections::BTreeMap;

/// A part of a path: a call's, or the label and the `*` of the repeat at a level.
pub(super) struct Part {
    pub text: String,
    pub level: Option<usize>,
}

impl Part {
    pub fn of_call(text: impl Into<String>) -> Part {
        Part { text: text.into(), level: None }
    }
}

/// What is known of a parameter besides what the graph says.
struct Made {
    span: Span,
    /// The `share` calls around it, outermost first.
    shares: Vec<u32>,
    /// The repeats that its path has a `*` for: which region, and which of its bodies.
    chain: Vec<(u32, u32)>,
}

#[derive(Default)]
pub(super) struct Params {
    /// By id.
    made: Vec<Made>,
    by_path: BTreeMap<String, Vec<ParamId>>,
    /// Open `share` calls, and the levels that they leave out.
    shares: Vec<u32>,
    left_out: Vec<usize>,
    n_shares: u32,
    /// Parameters that turned out to be another one.
    merged: BTreeMap<ParamId, ParamId>,
}

/// Where two parameters on one path stand to each other.
enum Relation {
    /// In the same body, or outside of all.
    Together,
    /// In two bodies of one repeat: no index is both's.
    Apart,
    /// In repeats one after the other, from this part of the chain on.
    Elsewhere(usize),
}

impl Made {
    fn relation(&self, chain: &[(u32, u32)]) -> Relation {
        match self.chain.iter().zip(chain).position(|(a, b)| a != b) {
            None => Relation::Together,
            Some(i) if self.chain.get(i).map(|c| c.0) == chain.get(i).map(|c| c.0) => Relation::Apart,
            Some(i) => Relation::Elsewhere(i),
        }
    }

    /// Whether two `share` calls made the two: neither was made beside the other in the same call.
    fn is_shared_with(&self, shares: &[u32]) -> bool {
        let common = self.shares.iter().zip(shares).take_while(|(a, b)| a == b).count();
        self.shares.len() > common && shares.len() > common
    }
}

impl Builder<'_> {
    /// Begins what a `share` call makes; its arguments come before. Gives what ends it.
    pub(super) fn enter_share(&mut self) -> usize {
        let n_left_out = self.params.left_out.len();
        self.params.n_shares += 1;
        self.params.shares.push(self.params.n_shares);
        if let Some(innermost) = self.levels.len().checked_sub(1)
            && !self.params.left_out.contains(&innermost)
        {
            self.params.left_out.push(innermost);
        }
        n_left_out
    }

    pub(super) fn leave_share(&mut self, n_left_out: usize) {
        self.params.shares.pop();
        self.params.left_out.truncate(n_left_out);
    }

    /// The parameter at the current path, new or shared, read in the innermost body.
    pub(super) fn param(&mut self, name: &str, shape: &[u64], init: Init, span: Span) -> Option<Tensor> {
        let is_left_out = |level: usize| self.params.left_out.contains(&level);
        let parts = self.scope.iter().filter(|part| !part.level.is_some_and(is_left_out));
        let path = parts.map(|part| part.text.as_str()).chain([name]).collect::<Vec<_>>().join(".");
        let levels = self.levels.iter().enumerate().filter(|(level, _)| !is_left_out(*level)).map(|(_, level)| level);
        let (chain, counts): (Vec<(u32, u32)>, Vec<u64>) = levels.map(|l| ((l.region, l.body), l.count)).unzip();

        let same_path: Vec<ParamId> = self.params.by_path.get(&path).cloned().unwrap_or_default();
        for other in same_path {
            let Some(made) = self.params.made.get(other.0 as usize) else { continue };
            let (first, shared) = (made.span, made.is_shared_with(&self.params.shares));
            match made.relation(&chain) {
                Relation::Apart => {}
                Relation::Elsewhere(_) if shared => {}
                Relation::Together if shared => {
                    if !self.is_alike(other, &path, shape, init, span) {
                        return None;
                    }
                    return self.read_param(other, span);
                }
                Relation::Together | Relation::Elsewhere(_) => {
                    self.report(
                        Diagnostic::error(code::PATH_COLLISION, format!("two parameters on the path `{path}`"))
                            .at(span, "the second is made here")
                            .also(first, "the first here")
                            .help("name one of the calls: `... as other`; or make both one: `share` before each call"),
                    );
                    return None;
                }
            }
        }
        let elements = counts.iter().chain(shape).try_fold(1u64, |n, d| n.checked_mul(*d));
        if elements.is_none_or(|n| n > MAX_PARAM_ELEMENTS || n == 0) {
            return self.too_large(&path, shape, span);
        }
        let id = ParamId(self.graph.params.len() as u32);
        let indices = counts.into_iter().map(Indices::all).collect();
        self.graph.params.push(Param { path: path.clone(), indices, shape: shape.to_vec(), init, span: Some(span) });
        self.params.made.push(Made { span, shares: self.params.shares.clone(), chain });
        self.params.by_path.entry(path).or_default().push(id);
        self.read_param(id, span)
    }

    fn too_large<T>(&mut self, path: &str, shape: &[u64], span: Span) -> Option<T> {
        self.report(
            Diagnostic::error(code::TOO_MANY, format!("the parameter `{path}` has the shape {shape:?}"))
                .at(span, "empty, or the model is beyond 2^46 parameters"),
        );
        None
    }

    /// Whether what two `share` calls make is one parameter; else reports.
    fn is_alike(&mut self, other: ParamId, path: &str, shape: &[u64], init: Init, span: Span) -> bool {
        let Some(first) = self.graph.param(other) else { return false };
        if first.shape == shape && first.init == init {
            return true;
        }
        let differ = if first.shape == shape {
            "start in two ways".to_string()
        } else {
            format!("have the shapes {:?} and {shape:?}", first.shape)
        };
        let mut diagnostic =
            Diagnostic::error(code::PATH_COLLISION, format!("parameters shared on the path `{path}` {differ}"))
                .at(span, "shared here");
        if let Some(first) = first.span {
            diagnostic = diagnostic.also(first, "and here");
        }
        self.report(diagnostic.help("what is shared has one shape; name one of the calls: `... as other`"));
        false
    }

    /// A parameter that exists, read in the innermost body.
    pub(super) fn read_param(&mut self, id: ParamId, span: Span) -> Option<Tensor> {
        let shape: Vec<Dim> = self.graph.param(id)?.shape.iter().map(|n| Dim::Fixed(*n)).collect();
        let value = self.add(Op::Param(id), &[], vec![Type::compute(shape)], span)?;
        Some(Tensor { frame: self.frames.len() - 1, value, span, width: None })
    }

    /// The parameter that a tensor of the innermost body is.
    pub(super) fn param_of(&self, tensor: &Tensor) -> Option<ParamId> {
        match self.frames.get(tensor.frame)?.body.node(tensor.value.node)?.op {
            Op::Param(id) => Some(id),
            _ => None,
        }
    }

    /// Says at which indices a body of the region runs, for the parameters from `first` on: its own.
    pub(super) fn params_exist_at(&mut self, first: usize, region: u32, members: &Indices) {
        let made = self.params.made.iter().skip(first);
        for (param, made) in self.graph.params.iter_mut().skip(first).zip(made) {
            if let Some(at) = made.chain.iter().position(|(r, _)| *r == region)
                && let Some(indices) = param.indices.get_mut(at)
            {
                *indices = members.clone();
            }
        }
    }

    /// Makes one parameter of those on one path, alike, that bodies of the region made; they are from
    /// `first` on. `None` where `share` calls disagree, which is reported.
    pub(super) fn merge_params(&mut self, first: usize, region: u32, members: &[Indices]) -> Option<()> {
        // (path, shape, start, indices in other repeats) -> the parameter, and the bodies that make it.
        type Key = (String, Vec<u64>, (u8, u64), Vec<Indices>);
        type Alike = (Key, usize, ParamId, Vec<u32>);
        let mut alike: BTreeMap<String, Vec<Alike>> = BTreeMap::new();
        for (i, (param, made)) in self.graph.params.iter().zip(&self.params.made).enumerate().skip(first) {
            let id = ParamId(i as u32);
            let Some(at) = made.chain.iter().position(|(r, _)| *r == region) else { continue };
            if self.params.merged.contains_key(&id) {
                continue;
            }
            let body = made.chain.get(at).map_or(0, |(_, body)| *body);
            let mut others = param.indices.clone();
            others.remove(at);
            let key = (param.path.clone(), param.shape.clone(), init_key(param.init), others);
            let group = alike.entry(param.path.clone()).or_default();
            match group.iter_mut().find(|(other, ..)| *other == key) {
                Some((_, _, kept, bodies)) => {
                    self.params.merged.insert(id, *kept);
                    bodies.push(body);
                }
                None => group.push((key, at, id, vec![body])),
            }
        }
        let mut unions: BTreeMap<Vec<u32>, Indices> = BTreeMap::new();
        let mut sound = true;
        for (_, at, id, mut bodies) in alike.into_values().flatten() {
            bodies.sort_unstable();
            bodies.dedup();
            if bodies.len() > 1 {
                let union = unions.entry(bodies).or_insert_with_key(|bodies| {
                    let of = |body: &u32| members.get(*body as usize).map_or(&[][..], Indices::ranges);
                    Indices::of_ranges(bodies.iter().flat_map(of).copied())
                });
                if let Some(indices) = self.graph.params.get_mut(id.0 as usize).and_then(|p| p.indices.get_mut(at)) {
                    *indices = union.clone();
                }
            }
            sound &= self.merge_shared(id, at);
        }
        sound.then_some(())
    }

    /// A parameter that `share` calls in two repeats made, the second of which just ended.
    fn merge_shared(&mut self, id: ParamId, at: usize) -> bool {
        let (Some(param), Some(made)) = (self.graph.param(id).cloned(), self.params.made.get(id.0 as usize)) else {
            return true;
        };
        if made.shares.is_empty() {
            return true;
        }
        let earlier = self.params.by_path.get(&param.path).into_iter().flatten().copied().filter(|other| {
            let of = self.params.made.get(other.0 as usize);
            *other < id
                && !self.params.merged.contains_key(other)
                && of.is_some_and(|of| matches!(of.relation(&made.chain), Relation::Elsewhere(i) if i == at))
        });
        let earlier: Vec<ParamId> = earlier.collect();
        let span = made.span;
        for other in earlier {
            let Some(first) = self.graph.param(other).cloned() else { continue };
            if first.indices == param.indices {
                if !self.is_alike(other, &param.path, &param.shape, param.init, span) {
                    return false;
                }
                self.params.merged.insert(id, other);
                return true;
            }
            if first.indices.iter().zip(&param.indices).all(|(a, b)| a.meets(b)) {
                let message = format!("parameters shared on the path `{}` exist at different indices", param.path);
                let mut diagnostic = Diagnostic::error(code::PATH_COLLISION, message).at(span, "shared here");
                if let Some(first) = first.span {
                    diagnostic = diagnostic.also(first, "and here");
                }
                self.report(
                    diagnostic.help("give both repeats the same count, or name one of the calls: `... as other`"),
                );
                return false;
            }
        }
        true
    }

    /// Puts the parameter that each stands for in its place. `None` where there are too many.
    pub(super) fn finish_params(&mut self) -> Option<()> {
        let mut total = 0u64;
        let mut places: BTreeMap<ParamId, ParamId> = BTreeMap::new();
        let mut kept = vec![];
        for (i, param) in std::mem::take(&mut self.graph.params).into_iter().enumerate() {
            let id = ParamId(i as u32);
            if let Some(other) = self.params.merged.get(&id) {
                // What it became may have become another one in turn, always an earlier one.
                places.insert(id, places.get(other).copied().unwrap_or(*other));
                continue;
            }
            total = total.saturating_add(param.n_elements().saturating_mul(param.n_instances()));
            if total > MAX_PARAM_ELEMENTS {
                let span = param.span?;
                return self.too_large(&param.path, &param.shape, span);
            }
            places.insert(id, ParamId(kept.len() as u32));
            kept.push(param);
        }
        self.graph.params = kept;
        if self.params.merged.is_empty() {
            return Some(());
        }
        for body in &mut self.graph.bodies {
            for node in body.dag.node_weights_mut() {
                if let Op::Param(id) = &mut node.op
                    && let Some(place) = places.get(id)
                {
                    *id = *place;
                }
            }
        }
        Some(())
    }
}

fn init_key(init: Init) -> (u8, u64) {
    match init {
        Init::Zeros => (0, 0),
        Init::Ones => (1, 0),
        Init::Normal { std } => (2, std.to_bits()),
        Init::Uniform { bound } => (3, bound.to_bits()),
    }
}
