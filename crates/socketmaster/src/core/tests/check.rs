//! What must hold after every step.

use super::process::Process;
use super::roll::Roll;
use super::world::World;
use crate::core::{Event, Sign, Supervisor, Time};

impl World {
    /// What must hold when the core has answered.
    pub(super) fn check(&mut self, supervisor: &Supervisor) {
        self.resize_if_due();
        self.take_over();
        assert_eq!(self.failing, None, "a failure was not told");
        assert_eq!(self.owed, None, "a crash was forgotten");
        assert!(
            self.withdrawn.is_empty(),
            "left alone: {:?}",
            self.withdrawn
        );
        if self.stops == 0 && self.over.is_none() && self.attempt.is_none() && self.open.is_empty()
        {
            let words: Option<Vec<_>> = self.places.values().map(|p| p.last_word).collect();
            let last = words.and_then(|words| words.into_iter().max());
            self.over = self.last_word.or(last);
        }
        if let Some(roll) = &self.attempt {
            let rules = self.rules(roll.generation);
            let expected = roll.size(&rules, self.serving.is_none(), self.is_step_ready());
            assert_eq!(roll.step.len(), expected, "the size of a step");
        }
        let ending = self.stops > 0 || self.over.is_some();
        let attempted = self.attempt.as_ref().map(|roll| roll.generation);
        for (request, of) in &self.open {
            let answerable = match of {
                Some(generation) => attempted == Some(*generation),
                None => attempted.is_some(),
            };
            assert!(answerable && self.stops == 0, "{request:?} waits for ever");
        }
        for process in &self.living {
            let id = process.id;
            if self.stops > 0 {
                assert!(!process.is_wanted(), "{id:?} was not told to leave");
            }
            if let (1, Some(Event::Stop(signal)), false) = (self.stops, self.event, process.killed)
            {
                assert_eq!(process.told.last(), Some(&signal), "not told of the stop");
                let times = process.told.iter().filter(|s| **s == signal).count();
                assert!(
                    times <= 1 + usize::from(signal == self.rules(process.generation).stop_signal),
                    "told twice"
                );
            }
            assert!(
                self.stops < 2 || process.killed,
                "{id:?} outlives a second stop"
            );
            let place = self.places.get(&process.slot);
            let old = place.is_some_and(|place| process.generation < place.generation);
            assert!(
                !old || !process.is_wanted(),
                "{id:?} is old and was not told"
            );
            let placeless = place.is_none() && !self.is_in_step(id);
            assert!(!placeless || !process.is_wanted(), "{id:?} has no place");
            assert_eq!(supervisor.is_ready(id), process.serves(), "is_ready {id:?}");
            let checked = process.is_starting() || self.bakes(id);
            assert_eq!(supervisor.is_checked(id), checked, "is_checked {id:?}");
        }
        let wanted = self.living.iter().any(Process::is_wanted);
        let unprepared = self.attempt.as_ref().is_some_and(|roll| !roll.prepared);
        let awaited = wanted || unprepared || self.next_restart().is_some();
        assert!(awaited || ending, "nothing runs and nothing is awaited");
        self.check_places(supervisor, ending);
        let expected = match () {
            () if !(ending && self.living.is_empty()) => None,
            () if self.stops == 0 => self.over,
            () => Some(self.stop_status),
        };
        assert_eq!(self.left, expected, "left, and with which status");

        assert_eq!(supervisor.next_deadline(), self.deadline(), "deadline");
        assert_eq!(supervisor.serving(), self.serving, "serving");
        assert_eq!(supervisor.is_reloading(), attempted.is_some(), "reloading");
        let starting = self.living.iter().filter(|p| p.is_starting()).count();
        assert_eq!(supervisor.starting().count(), starting, "starting");
        assert_eq!(supervisor.attempted(), attempted, "attempted");
        self.welcomed = None;
        self.failed = None;
        self.known_workers = self.last_worker;
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        let moments = |p: &Process| {
            let rules = self.rules(p.generation);
            [p.ready_at(&rules), p.kill_at(&rules)]
        };
        let phases = self.living.iter().flat_map(moments).flatten();
        let roll = self.attempt.as_ref();
        let timed = |roll: &&Roll| {
            let rules = self.rules(roll.generation);
            !rules.bake.is_zero() && rules.sign != Sign::Check
        };
        let baked = roll.filter(|roll| self.serving.is_some() && timed(roll));
        let baked = baked.and_then(|roll| roll.baked_at);
        phases.chain(self.next_restart()).chain(baked).min()
    }

    /// Everybody has got an answer, and nobody is left.
    pub(super) fn is_over(&self) -> bool {
        self.left.is_some() && self.open.is_empty() && self.living.is_empty()
    }
}
