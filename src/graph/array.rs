//! A dense f64 tensor, row-major: what the reference implementations of the operations work on.

/// Shape and elements; `data.len()` is the product of `shape`.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

impl Array {
    pub fn new(shape: impl Into<Vec<usize>>, data: Vec<f64>) -> Array {
        let shape = shape.into();
        debug_assert_eq!(shape.iter().product::<usize>(), data.len());
        Array { shape, data }
    }

    pub fn zeros(shape: impl Into<Vec<usize>>) -> Array {
        let shape = shape.into();
        let n = shape.iter().product();
        Array { shape, data: vec![0.0; n] }
    }

    pub fn scalar(x: f64) -> Array {
        Array { shape: vec![], data: vec![x] }
    }

    /// The same shape, each element through `f`.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Array {
        Array { shape: self.shape.clone(), data: self.data.iter().map(|x| f(*x)).collect() }
    }

    /// Elementwise over two arrays of one shape.
    pub fn zip(&self, other: &Array, f: impl Fn(f64, f64) -> f64) -> Array {
        Array { shape: self.shape.clone(), data: self.data.iter().zip(&other.data).map(|(a, b)| f(*a, *b)).collect() }
    }

    /// Size of the last dimension (1 for a scalar).
    pub fn width(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }
}
