//! A relation over finite sorts, as one bit for each tuple.
//!
//! It knows the sizes of its places and nothing of what they mean.

/// The tuples of which a relation holds. Elements of a sort are numbered from zero.
///
/// ```
/// use synod_prove::finite::Table;
///
/// let mut votes = Table::new(&[3, 2]);
/// votes.insert(&[2, 1]);
/// assert!(votes.contains(&[2, 1]) && !votes.contains(&[2, 0]));
/// assert_eq!(votes.tuples(), [[2, 1]]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    sizes: Vec<usize>,
    bits: Vec<u64>,
}

impl Table {
    /// Creates a relation that holds nowhere, with places of these sizes.
    #[must_use]
    pub fn new(sizes: &[usize]) -> Self {
        let tuples: usize = sizes.iter().product();
        Self { sizes: sizes.to_vec(), bits: vec![0; tuples.div_ceil(BITS)] }
    }

    /// Returns how many elements each place has.
    #[must_use]
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// Makes the relation hold of a tuple.
    ///
    /// # Panics
    ///
    /// Panics if the tuple has another number of places, or an element that is none of its sort.
    pub fn insert(&mut self, tuple: &[usize]) {
        // The place of a tuple that is out of range would be that of another tuple.
        assert_eq!(tuple.len(), self.sizes.len(), "a tuple has an element for each place");
        for (element, size) in tuple.iter().zip(&self.sizes) {
            assert!(element < size, "{tuple:?} is not within {:?}", self.sizes);
        }
        let at = self.index(tuple.iter().copied());
        self.bits[at / BITS] |= 1 << (at % BITS);
    }

    /// Makes the relation hold nowhere.
    pub(super) fn clear(&mut self) {
        self.bits.fill(0);
    }

    /// Gives the bits of all tuples, in the order of the tuples: with the sizes of the places they
    /// are the whole relation.
    pub(super) fn bits(&self) -> &[u64] {
        &self.bits
    }

    /// Returns `true` if the relation holds of a tuple.
    #[must_use]
    pub fn contains(&self, tuple: &[usize]) -> bool {
        self.holds(tuple.iter().copied())
    }

    /// Lists the tuples of which the relation holds, in their order.
    #[must_use]
    pub fn tuples(&self) -> Vec<Vec<usize>> {
        self.all().filter(|tuple| self.contains(tuple)).collect()
    }

    /// Lists all tuples, whether or not the relation holds of them, in their order.
    pub(super) fn all(&self) -> impl Iterator<Item = Vec<usize>> + use<'_> {
        let tuples: usize = self.sizes.iter().product();
        (0..tuples).map(|mut at| {
            let mut tuple = vec![0; self.sizes.len()];
            for (place, size) in self.sizes.iter().enumerate().rev() {
                tuple[place] = at % size;
                at /= size;
            }
            tuple
        })
    }

    pub(super) fn holds(&self, tuple: impl Iterator<Item = usize>) -> bool {
        let at = self.index(tuple);
        self.bits[at / BITS] >> (at % BITS) & 1 == 1
    }

    fn index(&self, tuple: impl Iterator<Item = usize>) -> usize {
        tuple.zip(&self.sizes).fold(0, |at, (element, size)| at * size + element)
    }
}

/// How many tuples a word holds.
const BITS: usize = 64;
