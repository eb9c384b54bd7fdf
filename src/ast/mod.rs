//! The typed syntax tree: plain data with spans. Never edited after parsing; later stages add
//! side tables keyed by spans and names.

use crate::base::{Number, Span, Unit};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ident {
    pub text: String,
    pub span: Span,
}

/// One spec file.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// The `//!` lines at the top, joined, without the marks.
    pub doc: Option<String>,
    /// `language 1`: the version of the language the file was written for.
    pub version: Option<(u64, Span)>,
    pub items: Vec<Item>,
}

#[derive(Clone, Debug)]
pub enum Item {
    Use(Use),
    /// `let NAME = VALUE`: a value with a name.
    Let(Binding),
    Schedule(Schedule),
    /// `objective NAME = CALL`
    Objective(Binding),
    /// `data NAME { ... }`, `data NAME = BASE { ... }`
    Data(Definition),
    /// `train NAME { ... }`
    Train(Definition),
    /// `experiment NAME { ... }`
    Experiment(Definition),
    Block(Block),
    /// `model NAME(...) { ... }`: a block whose inputs are the batch and whose result is logits.
    Model(Block),
}

/// `use "path" { name, name as other }`
#[derive(Clone, Debug)]
pub struct Use {
    pub path: String,
    pub path_span: Span,
    pub names: Vec<UseName>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct UseName {
    pub name: Ident,
    /// The name here, where it differs.
    pub alias: Option<Ident>,
}

/// `schedule NAME(VARIABLE) = FORMULA`
#[derive(Clone, Debug)]
pub struct Schedule {
    pub name: Ident,
    pub variable: Ident,
    pub formula: Expr,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Binding {
    pub name: Ident,
    pub value: Expr,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Definition {
    pub name: Ident,
    /// `data NAME = BASE { ... }`: the fields are laid over those of BASE.
    pub base: Option<Ident>,
    pub fields: Vec<Field>,
    pub span: Span,
}

/// `a.b: value`, or a bare call such as a claim of an `expect` record, whose path is empty.
#[derive(Clone, Debug)]
pub struct Field {
    pub path: Vec<Ident>,
    pub value: Expr,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Block {
    pub name: Ident,
    pub params: Vec<Param>,
    /// `-> [B, T, D]`; empty where none is stated.
    pub returns: Vec<ShapeExpr>,
    pub body: Vec<Stmt>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Param {
    pub name: Ident,
    pub ty: ParamType,
    pub default: Option<Expr>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum ParamType {
    Tensor(ShapeExpr),
    Int,
    Real,
    Bool,
    /// `block([B, T, D]) -> [B, T, D]`: a block or an operation that the caller gives.
    Block {
        inputs: Vec<ShapeExpr>,
        returns: Vec<ShapeExpr>,
        span: Span,
    },
}

/// `[B, T, D]`: names of dimensions or whole numbers.
#[derive(Clone, Debug)]
pub struct ShapeExpr {
    pub dims: Vec<DimExpr>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum DimExpr {
    Name(Ident),
    Fixed(u64, Span),
}

#[derive(Clone, Debug)]
pub enum Stmt {
    /// `x = e`, `(y, v) = e`
    Bind { targets: Vec<Ident>, value: Expr, span: Span },
    /// `repeat COUNT as LABEL { ... }`. The label names the parameters' scope and is the index inside.
    Repeat { count: Expr, label: Option<Ident>, body: Vec<Stmt>, span: Span },
    /// `if C { ... } else if C { ... } else { ... }` on static conditions.
    If { branches: Vec<(Expr, Vec<Stmt>)>, otherwise: Option<Vec<Stmt>>, span: Span },
    /// `require C, "text"`
    Require { condition: Expr, text: Option<String>, span: Span },
    /// `collect h = e` in a repeat: after it, `h` is the list of the values of all indices.
    Collect { target: Ident, value: Expr, span: Span },
    /// `return e`, `return (a, b)`
    Return { values: Vec<Expr>, span: Span },
}

#[derive(Clone, Debug)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum ExprKind {
    Number(NumberLit),
    Str(String),
    Bool(bool),
    None,
    /// A name, or a path of names (`train.clip`, `cross.epoch`).
    Name(String),
    /// `f(a, name: b)`, and `f(...) as alias`, which names the parameters the call makes.
    Call {
        callee: Ident,
        args: Vec<Arg>,
        alias: Option<Ident>,
        /// `share f(...)`: the place of the word.
        share: Option<Span>,
    },
    /// `if C { a } else if D { b } else { c }`
    If {
        branches: Vec<(Expr, Expr)>,
        otherwise: Box<Expr>,
    },
    /// `a..b`, both ends included.
    Range {
        low: Box<Expr>,
        high: Box<Expr>,
    },
    /// `base { field: new }`: the fields are laid over those of a record, a call or a definition.
    Extend {
        base: Box<Expr>,
        fields: Vec<Field>,
    },
    /// The claims of an `expect: { ... }`.
    Claims(Vec<Claim>),
    Unary {
        op: UnaryOp,
        operand: Box<Expr>,
    },
    Binary {
        op: BinaryOp,
        op_span: Span,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `(a, b)`; a single parenthesised expression is that expression.
    Tuple(Vec<Expr>),
    /// `[a, b]`, and `[a, b] tokens`: the unit goes to each element.
    List {
        items: Vec<Expr>,
        unit: Option<(Unit, Span)>,
    },
    Record(Vec<Field>),
}

/// One line of an `expect` record: `let x = e`, or
/// `no e at CONDITION before QUANTITY within TOLERANCE`, of which only `e` has to be there.
#[derive(Clone, Debug)]
pub struct Claim {
    /// `let x = e` gives the value a name and claims nothing.
    pub binds: Option<Ident>,
    pub no: Option<Span>,
    pub value: Expr,
    pub at: Option<Expr>,
    pub before: Option<Expr>,
    pub within: Option<Expr>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct NumberLit {
    /// With the suffix (K, M, B, T) multiplied in, the unit not: `2%` is 2 with [`Unit::Percent`].
    pub value: Number,
    pub unit: Option<(Unit, Span)>,
}

#[derive(Clone, Debug)]
pub struct Arg {
    pub name: Option<Ident>,
    pub value: Expr,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    Neg,
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    /// `a % b`, the remainder with the sign of `b`.
    Mod,
    Pow,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
    /// `x in [a, b]`, `x in 1..4`
    In,
}

impl Expr {
    /// The expressions it is made of, in the order of the text.
    pub fn parts(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Number(_) | ExprKind::Str(_) | ExprKind::Bool(_) | ExprKind::None | ExprKind::Name(_) => vec![],
            ExprKind::Call { args, .. } => args.iter().map(|arg| &arg.value).collect(),
            ExprKind::If { branches, otherwise } => {
                let branches = branches.iter().flat_map(|(condition, value)| [condition, value]);
                branches.chain([otherwise.as_ref()]).collect()
            }
            ExprKind::Range { low: a, high: b } | ExprKind::Binary { left: a, right: b, .. } => vec![a, b],
            ExprKind::Unary { operand, .. } => vec![operand],
            ExprKind::Tuple(items) | ExprKind::List { items, .. } => items.iter().collect(),
            ExprKind::Record(fields) => fields.iter().map(|field| &field.value).collect(),
            ExprKind::Extend { base, fields } => {
                [base.as_ref()].into_iter().chain(fields.iter().map(|field| &field.value)).collect()
            }
            ExprKind::Claims(claims) => claims.iter().flat_map(Claim::parts).collect(),
        }
    }
}

impl Claim {
    /// The expressions it is made of, its value first.
    pub fn parts(&self) -> impl Iterator<Item = &Expr> {
        let clauses = [&self.at, &self.before, &self.within].into_iter().filter_map(Option::as_ref);
        [&self.value].into_iter().chain(clauses)
    }
}

impl BinaryOp {
    pub fn symbol(self) -> &'static str {
        match self {
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Mod => "%",
            BinaryOp::Pow => "^",
            BinaryOp::Eq => "==",
            BinaryOp::Ne => "!=",
            BinaryOp::Lt => "<",
            BinaryOp::Le => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::Ge => ">=",
            BinaryOp::And => "and",
            BinaryOp::Or => "or",
            BinaryOp::In => "in",
        }
    }
}

impl BinaryOp {
    /// Whether it gives true or false.
    pub fn is_logical(self) -> bool {
        match self {
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod | BinaryOp::Pow => false,
            BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => true,
            BinaryOp::And | BinaryOp::Or | BinaryOp::In => true,
        }
    }
}

impl Item {
    /// The name it defines; a `use` defines several and gives none here.
    pub fn name(&self) -> Option<&Ident> {
        match self {
            Item::Use(_) => None,
            Item::Schedule(s) => Some(&s.name),
            Item::Objective(b) | Item::Let(b) => Some(&b.name),
            Item::Data(d) | Item::Train(d) | Item::Experiment(d) => Some(&d.name),
            Item::Block(b) | Item::Model(b) => Some(&b.name),
        }
    }
}
