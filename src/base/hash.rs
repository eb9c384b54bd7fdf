//! The canonical hash of data, weights and specs: blake3 over typed, length-prefixed values behind a
//! version. Two different sequences of `put`s never feed the same bytes.

/// Changes when the byte layout below does; every older id then differs.
const VERSION: &str = "dlmc-hash-1";

/// Bytes of the digest that an id shows: 16 leave no chance of a collision among runs.
const ID_BYTES: usize = 16;

#[derive(Clone, Debug)]
pub struct CanonicalHasher {
    inner: blake3::Hasher,
    /// Little-endian bytes on their way to the hash; large slices go through in pieces.
    scratch: Vec<u8>,
}

impl CanonicalHasher {
    /// `kind` says what is hashed ("train", "weights"), so equal content of two kinds differs.
    pub fn new(kind: &str) -> CanonicalHasher {
        let mut hasher = CanonicalHasher { inner: blake3::Hasher::new(), scratch: Vec::new() };
        hasher.put_str(VERSION).put_str(kind);
        hasher
    }

    pub fn put_str(&mut self, text: &str) -> &mut Self {
        self.put_raw(b's', text.len(), text.as_bytes())
    }

    pub fn put_bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.put_raw(b'b', bytes.len(), bytes)
    }

    pub fn put_u64(&mut self, value: u64) -> &mut Self {
        self.put_raw(b'n', 1, &value.to_le_bytes())
    }

    pub fn put_f64(&mut self, value: f64) -> &mut Self {
        self.put_raw(b'x', 1, &value.to_bits().to_le_bytes())
    }

    pub fn put_u32s(&mut self, values: &[u32]) -> &mut Self {
        self.put_slice(b'u', values, |v| v.to_le_bytes())
    }

    /// What [`CanonicalHasher::put_u32s`] does with all `len` values at once, for values that come in stretches: `give`
    /// hands them over one stretch at a time.
    pub fn put_u32s_in_parts(&mut self, len: usize, give: impl FnOnce(&mut dyn FnMut(&[u32]))) -> &mut Self {
        self.put_raw(b'u', len, &[]);
        let (inner, scratch) = (&mut self.inner, &mut self.scratch);
        give(&mut |stretch| {
            scratch.clear();
            stretch.iter().for_each(|value| scratch.extend_from_slice(&value.to_le_bytes()));
            inner.update(scratch);
        });
        self
    }

    pub fn put_u64s(&mut self, values: &[u64]) -> &mut Self {
        self.put_slice(b'U', values, |v| v.to_le_bytes())
    }

    /// By bits: 0.0 and -0.0 differ.
    pub fn put_f32s(&mut self, values: &[f32]) -> &mut Self {
        self.put_slice(b'f', values, |v| v.to_bits().to_le_bytes())
    }

    /// By bits: 0.0 and -0.0 differ.
    pub fn put_f64s(&mut self, values: &[f64]) -> &mut Self {
        self.put_slice(b'd', values, |v| v.to_bits().to_le_bytes())
    }

    /// 32 hexadecimal digits. The hasher can go on afterwards.
    pub fn finish(&self) -> String {
        self.inner.finalize().as_bytes().iter().take(ID_BYTES).map(|b| format!("{b:02x}")).collect()
    }

    fn put_raw(&mut self, tag: u8, len: usize, bytes: &[u8]) -> &mut Self {
        self.inner.update(&[tag]);
        self.inner.update(&(len as u64).to_le_bytes());
        self.inner.update(bytes);
        self
    }

    fn put_slice<T: Copy, const N: usize>(&mut self, tag: u8, values: &[T], bytes: impl Fn(T) -> [u8; N]) -> &mut Self {
        self.put_raw(tag, values.len(), &[]);
        for piece in values.chunks(1 << 14) {
            self.scratch.clear();
            for value in piece {
                self.scratch.extend_from_slice(&bytes(*value));
            }
            self.inner.update(&self.scratch);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(put: impl Fn(&mut CanonicalHasher)) -> String {
        let mut hasher = CanonicalHasher::new("test");
        put(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn is_stable_over_versions_of_this_crate() {
        let id = of(|h| {
            h.put_str("layer.0.q").put_u64(3).put_u32s(&[1, 2]).put_f32s(&[0.5]).put_f64s(&[0.25]);
        });
        assert_eq!(id, "76dacd25b350f4edaf2ea6fe09d521fc");
    }

    #[test]
    fn boundaries_and_types_matter() {
        let all = [
            of(|h| _ = h.put_str("ab").put_str("c")),
            of(|h| _ = h.put_str("a").put_str("bc")),
            of(|h| _ = h.put_bytes(b"ab").put_bytes(b"c")),
            of(|h| _ = h.put_u32s(&[1, 2])),
            of(|h| _ = h.put_u32s(&[1]).put_u32s(&[2])),
            of(|h| _ = h.put_f32s(&[0.0])),
            of(|h| _ = h.put_f32s(&[-0.0])),
            of(|h| _ = h.put_u64s(&[0])),
            of(|h| _ = h.put_u64(0)),
            of(|h| _ = h.put_f64s(&[0.0])),
            of(|h| _ = h.put_f64(0.0)),
            of(|_| ()),
            CanonicalHasher::new("other").finish(),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert!(all.iter().all(|id| id.len() == 32));
    }

    #[test]
    fn long_slices_go_through_in_pieces() {
        let long: Vec<u32> = (0..40_000).collect();
        let mut other = long.clone();
        assert_eq!(of(|h| _ = h.put_u32s(&long)), of(|h| _ = h.put_u32s(&other)));
        let in_parts = of(|h| {
            h.put_u32s_in_parts(long.len(), |put| long.chunks(777).for_each(put));
        });
        assert_eq!(in_parts, of(|h| _ = h.put_u32s(&long)));
        other.swap(20_000, 20_001);
        assert_ne!(of(|h| _ = h.put_u32s(&long)), of(|h| _ = h.put_u32s(&other)));
    }
}
