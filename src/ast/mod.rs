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
    pub items: Vec<Item>,
}

#[derive(Clone, Debug)]
pub enum Item {
    Use(Use),
    Schedule(Schedule),
    /// `objective NAME = CALL`
    Objective(Binding),
    /// `data NAME { ... }`
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
    Name(String),
    /// `f(a, name: b)`, and `f(...) as alias`, which names the parameters the call makes.
    Call {
        callee: Ident,
        args: Vec<Arg>,
        alias: Option<Ident>,
    },
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
}

impl BinaryOp {
    pub fn symbol(self) -> &'static str {
        match self {
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Pow => "^",
        }
    }
}

impl Item {
    /// The name it defines; a `use` defines several and gives none here.
    pub fn name(&self) -> Option<&Ident> {
        match self {
            Item::Use(_) => None,
            Item::Schedule(s) => Some(&s.name),
            Item::Objective(b) => Some(&b.name),
            Item::Data(d) | Item::Train(d) | Item::Experiment(d) => Some(&d.name),
            Item::Block(b) | Item::Model(b) => Some(&b.name),
        }
    }
}
