//! What is drawn: a tree of boxes and nodes, and nets between them. No coordinates yet, and nothing
//! of a graph's inner form any more.

/// Index into [`Scene::items`].
pub type ItemId = usize;
/// Index into [`Scene::nets`].
pub type NetId = usize;

/// The whole picture. Item 0 is the sheet that holds all others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scene {
    pub items: Vec<Item>,
    pub nets: Vec<Net>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub parent: Option<ItemId>,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Holds other items; its size follows from them.
    Box {
        title: String,
        style: BoxStyle,
        children: Vec<ItemId>,
    },
    Node(Node),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoxStyle {
    /// The whole picture: no frame.
    Sheet,
    /// A `repeat`.
    Region,
    /// One body of a region that has several.
    Body,
    /// A scope of parameters, such as `attention`.
    Scope,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub style: NodeStyle,
    pub title: String,
    pub lines: Vec<Line>,
    /// Ports along the upper and the lower edge.
    pub n_inputs: usize,
    pub n_outputs: usize,
    /// What a reader sees who rests the pointer on it.
    pub hint: String,
    /// Where along its parent's border it sits, for the ends of what a region carries.
    pub place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeStyle {
    /// Reads the batch, as tokens, positions and targets do.
    Input,
    Output,
    /// Holds a parameter.
    Weights,
    /// Positions see each other.
    Mixing,
    Plain,
    /// The end of a line that crosses a region's border with another meaning inside.
    Port,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Anywhere,
    Top,
    Bottom,
}

/// A line of text in a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub style: LineStyle,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineStyle {
    Attribute,
    /// A parameter's path.
    Path,
    /// Its shape and count.
    Count,
    /// Where a value goes that is not drawn as a line.
    Note,
}

/// One end of a net: a port of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    pub item: ItemId,
    pub port: usize,
}

/// A value: made in one place, read in others.
#[derive(Clone, Debug, PartialEq)]
pub struct Net {
    pub source: End,
    pub targets: Vec<End>,
    pub label: String,
    /// Below which item the label stands: the source, or a box around it that the value leaves.
    pub label_at: ItemId,
    pub style: NetStyle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetStyle {
    Plain,
    /// Token ids and positions, statistics: not the stream of features.
    Minor,
    /// From the end of a layer to the beginning of the next: a rail along the box's right side.
    Carried,
}

impl Scene {
    pub const SHEET: ItemId = 0;

    /// Adds an item to a box.
    pub fn add(&mut self, parent: ItemId, kind: Kind) -> ItemId {
        let id = self.items.len();
        self.items.push(Item { parent: (id != parent).then_some(parent), kind });
        if let Some(Item { kind: Kind::Box { children, .. }, .. }) = self.items.get_mut(parent)
            && id != parent
        {
            children.push(id);
        }
        id
    }

    pub fn node(&self, id: ItemId) -> Option<&Node> {
        match &self.items.get(id)?.kind {
            Kind::Node(node) => Some(node),
            Kind::Box { .. } => None,
        }
    }

    pub fn children(&self, id: ItemId) -> &[ItemId] {
        match self.items.get(id).map(|item| &item.kind) {
            Some(Kind::Box { children, .. }) => children,
            _ => &[],
        }
    }

    /// The child of `of` in which `item` lies, or `item` itself; none where it lies elsewhere.
    pub fn child_towards(&self, of: ItemId, item: ItemId) -> Option<ItemId> {
        let mut at = item;
        loop {
            let parent = self.items.get(at)?.parent?;
            if parent == of {
                return Some(at);
            }
            at = parent;
        }
    }
}
