//! `socketmaster reload`: asks, and tells what happens up to the verdict.

use std::io;

use super::find::Instance;
use super::link::Lines;
use super::pace::{now, tick};
use super::story::Story;
use super::words::{printable, span};
use super::{ClientError, status_of};
use crate::core::Time;
use crate::screen::{Mark, Screen};
use crate::sys::stderr;
use crate::wire::control::{Progress, ReloadRequest};

/// Asks for a reload and returns the exit status of its verdict.
pub(super) async fn run(
    mut instance: Instance,
    wait_drained: bool,
    if_generation: Option<u64>,
    screen: &Screen,
) -> Result<u8, ClientError> {
    let wanted = ReloadRequest {
        if_generation,
        wait_drained,
    };
    let mut teller = Teller {
        story: Story::new(&instance.status.name, instance.status.workers_wanted),
        begin: now(),
        done: false,
        screen,
    };
    let lines = instance.link.lines("/v1/reload", &wanted).await;
    let heard = match lines {
        Ok(mut lines) => teller.listen(&mut lines, wait_drained).await,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(ClientError::Refused {
                name: teller.story.name,
                why: error.to_string(),
            });
        }
        Err(_) => None,
    };
    match heard {
        Some(status) => Ok(status),
        None => teller.ask_again(&mut instance, wait_drained).await,
    }
}

struct Teller<'a> {
    story: Story,
    begin: Time,
    /// Whether the verdict was heard.
    done: bool,
    screen: &'a Screen,
}

impl Teller<'_> {
    /// Tells what comes. `None`: it broke off.
    async fn listen(&mut self, lines: &mut Lines, wait_drained: bool) -> Option<u8> {
        loop {
            let progress = {
                let next = lines.next();
                tokio::pin!(next);
                loop {
                    tokio::select! {
                        progress = &mut next => break progress?,
                        () = tick() => self.show(),
                    }
                }
            };
            let line = self.story.hear(&progress);
            if let Some(line) = line.filter(|_| !self.screen.is_live()) {
                let name = &self.story.name;
                self.screen.line(&format!("{name}: {line}"));
            }
            match progress {
                Progress::Done { generation } => {
                    self.screen.marked(Mark::Good, &self.story.done(generation));
                    self.done = true;
                    if !wait_drained {
                        return Some(status_of::DONE);
                    }
                }
                Progress::Drained => return Some(self.drained()),
                verdict if verdict.is_verdict() => return Some(self.not_done(&verdict)),
                _ => {}
            }
            self.show();
        }
    }

    fn show(&self) {
        let took = now() - self.begin;
        self.screen.live(&if self.done {
            self.story.waiting(took)
        } else {
            self.story.live(took)
        });
    }

    fn drained(&self) -> u8 {
        if self.screen.is_live() {
            let took = span(now() - self.begin);
            let text = format!(
                "{}: no older generation is left after {took}",
                self.story.name
            );
            self.screen.marked(Mark::Good, &text);
        }
        status_of::DONE
    }

    /// Tells of a verdict that is not the one hoped for.
    fn not_done(&self, verdict: &Progress) -> u8 {
        self.screen.clear();
        let name = &self.story.name;
        let sign = match self.screen.is_live() {
            true => self.screen.sign(Mark::Bad) + " ",
            false => String::new(),
        };
        let serves = |serving: &Option<u64>| match serving {
            Some(serving) => format!("generation {serving} serves"),
            None => "no generation serves".into(),
        };
        match verdict {
            Progress::Failed {
                generation,
                slot,
                why,
                serving,
                output,
            } => {
                let why = self.story.why(*slot, why);
                stderr::say(format_args!(
                    "{sign}{name}: generation {generation} failed: {why}"
                ));
                match serving {
                    // As many of its workers as why says.
                    Some(serving) if serving == generation => {}
                    Some(_) => stderr::say(format_args!(
                        "  {} on, nothing has changed",
                        serves(serving)
                    )),
                    None => stderr::say(format_args!("  {}", serves(serving))),
                }
                if !output.is_empty() {
                    stderr::say("  the last that it printed:");
                }
                for line in output {
                    stderr::say(format_args!("    {}", printable(line)));
                }
                status_of::FAILED
            }
            Progress::NotExpected { serving } => {
                stderr::say(format_args!(
                    "{sign}{name}: not the generation that was expected: {}; nothing was begun",
                    serves(serving)
                ));
                status_of::NOT_EXPECTED
            }
            _ => {
                stderr::say(format_args!(
                    "{sign}{name}: the reload was dropped, because a stop came first"
                ));
                status_of::FAILED
            }
        }
    }

    /// Finds out from the status what was not heard, if it was only the program of the supervisor that has changed.
    async fn ask_again(
        &mut self,
        instance: &mut Instance,
        wait_drained: bool,
    ) -> Result<u8, ClientError> {
        instance.reopen().await?;
        let name = self.story.name.clone();
        if !self.screen.is_live() {
            self.screen.line(&format!(
                "{name}: the supervisor was upgraded meanwhile; the reload goes on"
            ));
        }
        loop {
            let Ok(status) = instance.ask().await else {
                instance.reopen().await?;
                continue;
            };
            let last = status.last_reload.as_ref();
            let ours = last.filter(|last| Some(last.generation) == self.story.generation);
            match ours {
                _ if self.done => {}
                Some(last) if last.done => {
                    let line = self.story.done(last.generation);
                    self.screen.marked(Mark::Good, &line);
                    self.done = true;
                }
                Some(last) => {
                    return Ok(self.not_done(&Progress::Failed {
                        generation: last.generation,
                        slot: None,
                        why: last.why.clone().unwrap_or_default(),
                        serving: status.serving,
                        output: Vec::new(),
                    }));
                }
                None if status.reloading => {}
                None => return Err(ClientError::Lost { name }),
            }
            let older_left = status.workers.iter().any(|w| w.phase == "draining");
            if self.done && !(wait_drained && older_left) {
                return Ok(match wait_drained {
                    true => self.drained(),
                    false => status_of::DONE,
                });
            }
            self.show();
            tick().await;
        }
    }
}
