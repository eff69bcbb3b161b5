//! The places of the workers, and how a new generation takes them, as the promises see it.

use std::collections::{BTreeMap, BTreeSet};

use super::process::Process;
use super::world::World;
use crate::core::{Event, Generation, Policy, Share, Sign, Supervisor, Time, WorkerId};

/// The places that a generation serves in.
pub(super) type Places = BTreeMap<u32, Place>;

/// One of them.
pub(super) struct Place {
    pub(super) generation: Generation,
    pub(super) restart_at: Option<Time>,
    pub(super) crashes: u32,
    /// The status of the worker after which no restart follows.
    pub(super) last_word: Option<u8>,
}

/// A reload, or the first start, under way.
pub(super) struct Roll {
    pub(super) generation: Generation,
    /// How many places it is for.
    pub(super) of: u32,
    /// Whether all that it needs is there.
    pub(super) prepared: bool,
    /// How many there are to be when it is done, if that is news.
    pub(super) workers: Option<u32>,
    /// How many it has taken.
    pub(super) replaced: u32,
    /// The workers that are to take over next.
    pub(super) step: BTreeSet<WorkerId>,
    /// All places that were begun.
    pub(super) slots: BTreeSet<u32>,
    /// When the step may take over, once it is ready.
    pub(super) baked_at: Option<Time>,
    /// Who of it has passed a check since then.
    pub(super) passed: BTreeSet<WorkerId>,
}

impl Roll {
    /// Whether it is this one, and waits for what it needs.
    pub(super) fn awaits(&self, generation: Generation) -> bool {
        self.generation == generation && !self.prepared
    }

    /// The places come one after the other.
    pub(super) fn is_due(&self, generation: Generation, slot: u32) -> bool {
        let next = self.slots.last().map_or(0, |last| last + 1);
        generation == self.generation && slot == next && slot < self.of
    }

    pub(super) fn size(&self, policy: &Policy, first: bool, ready: bool) -> usize {
        let left = self.of - self.replaced;
        let size = match (first, policy.first_alone) {
            _ if !self.prepared => 0,
            (_, true) if self.slots.len() == 1 && !ready && self.replaced == 0 => 1,
            (true, _) => left,
            (false, _) => policy.step.min(left),
        };
        size as usize
    }
}

impl World {
    /// A new attempt, for all who have asked.
    pub(super) fn begin(&mut self, generation: Generation) {
        assert!(self.attempt.is_none(), "two attempts at once");
        let asked = self.open.iter_mut().filter(|(_, of)| of.is_none());
        let asked = asked.map(|(_, of)| *of = Some(generation)).count();
        assert!(asked > 0 || generation.0 == 1, "nobody asked for a reload");
        self.last_generation = generation.0;
        self.last_word = None;
        self.attempt = Some(Roll {
            generation,
            of: self.asked,
            prepared: generation.0 == 1,
            workers: None,
            replaced: 0,
            step: BTreeSet::new(),
            slots: BTreeSet::new(),
            baked_at: None,
            passed: BTreeSet::new(),
        });
    }

    /// A worker outside an attempt: a restart, or one more.
    pub(super) fn fill(&mut self, generation: Generation, slot: u32) {
        let place = self.places.get_mut(&slot);
        let place = place.unwrap_or_else(|| panic!("nobody wants {slot}"));
        assert_eq!(generation, place.generation, "which generation?");
        let at = place.restart_at.take();
        assert!(at.is_some_and(|at| at <= self.now), "a needless restart");
        let fellow = |p: &Process| p.generation == generation && p.slot == slot && p.is_wanted();
        assert!(!self.living.iter().any(fellow), "two workers in one slot");
    }

    pub(super) fn is_step_ready(&self) -> bool {
        let roll = self.attempt.as_ref().expect("an attempt");
        let fellows = self.living.iter().filter(|p| roll.step.contains(&p.id));
        fellows.filter(|p| p.serves()).count() == roll.step.len()
    }

    /// The step takes its places, if it is time.
    pub(super) fn take_over(&mut self) {
        let first = self.serving.is_none();
        let bakes = |roll: &Roll| !self.rules(roll.generation).bake.is_zero();
        let waits = !first && self.attempt.as_ref().is_some_and(bakes);
        let (now, timeout) = (self.now, self.event == Some(Event::Timeout));
        let is_checked = |roll: &Roll| self.rules(roll.generation).sign == Sign::Check;
        let checked = self.attempt.as_ref().is_some_and(is_checked);
        let step = self.attempt.as_ref();
        let step = step.map_or(0, |roll| self.rules(roll.generation).step);
        let Some(roll) = &mut self.attempt else {
            return;
        };
        let size = roll.replaced.saturating_add(step);
        if roll.step.is_empty()
            || roll
                .baked_at
                .is_none_or(|at| waits && !checked && !(timeout && at <= now))
            || waits && checked && roll.passed != roll.step
        {
            return;
        }
        let begun = roll.slots.len() as u32;
        if begun < if first { roll.of } else { roll.of.min(size) } {
            return;
        }
        for slot in roll.replaced..begun {
            let place = Place {
                generation: roll.generation,
                restart_at: None,
                crashes: 0,
                last_word: None,
            };
            self.places.insert(slot, place);
        }
        self.welcomed = Some(roll.generation);
        roll.replaced = begun;
        roll.step.clear();
        roll.passed.clear();
        roll.baked_at = None;
        if begun == roll.of {
            let (generation, workers) = (roll.generation, roll.workers);
            self.serving = Some(generation);
            self.named = self.rules(generation).workers;
            self.asked = workers.unwrap_or(self.asked);
            self.attempt = None;
            self.resize();
        }
    }

    /// Whether this worker is ready and has yet to live through its bake.
    pub(super) fn bakes(&self, id: WorkerId) -> bool {
        let mut living = self.living.iter();
        let bakes = |roll: &Roll| !self.rules(roll.generation).bake.is_zero();
        let baking = self.serving.is_some() && self.attempt.as_ref().is_some_and(bakes);
        baking && self.is_in_step(id) && living.any(|p| p.id == id && p.serves())
    }

    /// If this worker was to take over, nobody of the step does; what was taken stays.
    pub(super) fn fail_if_in_roll(&mut self, id: WorkerId, of: Generation) {
        let Some(mut roll) = self.attempt.take_if(|roll| roll.generation == of) else {
            return;
        };
        roll.step.remove(&id);
        roll.step
            .retain(|id| self.living.iter().any(|p| p.id == *id));
        self.withdrawn = roll.step;
        let share = Share {
            replaced: roll.replaced,
            of: roll.of,
        };
        if roll.replaced > 0 {
            self.serving = Some(roll.generation);
        }
        self.failed = Some((roll.generation, share));
        // A restart of the one that failed may still be told.
        self.resize_due = true;
    }

    /// As many places as were asked for, but never so few that nobody would serve.
    pub(super) fn resize(&mut self) {
        let (Some(serving), None) = (self.serving, &self.attempt) else {
            return;
        };
        let hopeful = self.places.iter().find(|(_, p)| p.last_word.is_none());
        let serves = self.in_place().min();
        let keep = serves.or(hopeful.map(|(slot, _)| *slot));
        self.asked = self.asked.max(keep.map_or(1, |slot| slot + 1));
        self.bare.extend(self.places.split_off(&self.asked).keys());
        for slot in 0..self.asked {
            self.places.entry(slot).or_insert(Place {
                generation: serving,
                restart_at: Some(self.now),
                crashes: 0,
                last_word: None,
            });
        }
    }

    /// The places in which somebody serves, who has taken them over.
    fn in_place(&self) -> impl Iterator<Item = u32> {
        let serving = self.living.iter().filter(|p| p.serves());
        let in_place = serving.filter(|p| {
            let place = self.places.get(&p.slot);
            place.is_some_and(|place| place.generation == p.generation)
        });
        in_place.map(|p| p.slot)
    }

    pub(super) fn next_restart(&self) -> Option<Time> {
        self.places.values().filter_map(|p| p.restart_at).min()
    }

    /// Nothing but its own end uncovers a place in which somebody served.
    pub(super) fn check_places(&mut self, supervisor: &Supervisor, ending: bool) {
        let covered: BTreeSet<u32> = self.in_place().collect();
        for slot in self.covered.difference(&covered) {
            assert!(
                ending || self.bare.contains(slot),
                "nobody serves in {slot}"
            );
        }
        self.covered = covered;
        self.bare.clear();
        if !ending {
            assert_eq!(supervisor.wanted(), self.asked, "wanted");
        }
    }
}
