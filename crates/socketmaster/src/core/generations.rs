//! What each generation came with.

use std::collections::BTreeMap;

use super::types::Generation;

/// A thing that may be another from generation to generation: one that did not bring its own has that of the one
/// before it.
#[derive(Clone, Debug)]
pub struct ByGeneration<T> {
    /// What holds for all that are older than the others.
    first: T,
    later: BTreeMap<Generation, T>,
}

impl<T: Clone> ByGeneration<T> {
    /// What the first generation came with.
    pub fn new(first: T) -> Self {
        Self {
            first,
            later: BTreeMap::new(),
        }
    }

    /// What a generation came with.
    pub fn of(&self, generation: Generation) -> &T {
        let mut up_to = self.later.range(..=generation);
        up_to.next_back().map_or(&self.first, |(_, thing)| thing)
    }

    /// What came last.
    pub fn newest(&self) -> &T {
        self.later.values().next_back().unwrap_or(&self.first)
    }

    /// All, by the first generation that came with it, in rising order.
    pub fn all(&self) -> impl Iterator<Item = (Generation, &T)> {
        let later = self
            .later
            .iter()
            .map(|(generation, thing)| (*generation, thing));
        std::iter::once((Generation(0), &self.first)).chain(later)
    }

    /// A generation comes with this.
    pub fn insert(&mut self, generation: Generation, thing: T) {
        self.later.insert(generation, thing);
    }

    /// The generation has failed.
    pub fn remove(&mut self, generation: Generation) {
        self.later.remove(&generation);
    }

    /// Forgets what nobody came with any more.
    pub fn forget_before(&mut self, oldest: Generation) {
        self.first = self.of(oldest).clone();
        self.later.retain(|generation, _| *generation > oldest);
    }
}
