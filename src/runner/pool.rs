//! Workers: so many at a time, each a process; their events gathered, their ends understood.

use super::job::{Event, Job};
use crate::store::metrics::EndReason;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the loop waits for an event before it looks at signals.
const TICK: Duration = Duration::from_millis(50);
/// Last lines of a worker's standard error that are shown when it fails.
const MAX_LINES: usize = 20;

/// A run with the name it goes by.
#[derive(Clone, Debug)]
pub struct Task {
    pub title: String,
    pub job: Job,
    /// Training tokens of the whole run, for the time that is left.
    pub total_tokens: u64,
    pub tokens_per_step: u64,
}

/// What became of a task.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was trained to the end of its budget.
    Finished,
    Stopped(EndReason),
    /// The message of the failure.
    Failed(String),
    /// There was no time for it, or another one failed before.
    NotStarted,
}

#[derive(Clone, Debug)]
pub struct Policy {
    pub jobs: usize,
    /// The first failure ends all: runs at work end with a checkpoint, the others are not started.
    pub fail_fast: bool,
    pub deadline: Option<Instant>,
    /// Set by Ctrl-C and SIGTERM.
    pub interrupted: Arc<AtomicBool>,
}

/// Shows what the workers do.
pub trait View {
    fn event(&mut self, task: usize, event: &Event);
    fn ended(&mut self, task: usize, outcome: &Outcome);
    fn tick(&mut self);
}

/// The program that is started for each task; it reads the job from its standard input.
#[derive(Clone, Debug)]
pub struct Pool {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    pub policy: Policy,
}

enum Message {
    Event(usize, Event),
    /// The worker's standard output has ended.
    Closed(usize),
}

struct Worker {
    child: Child,
    /// Open as long as the worker is to work.
    lifeline: Option<ChildStdin>,
    /// Last lines of its standard error.
    errors: Arc<Mutex<VecDeque<String>>>,
    reader: JoinHandle<()>,
    last: Option<Event>,
}

impl Pool {
    /// Works through the tasks in order; what became of each.
    pub fn run(&self, tasks: &[Task], view: &mut dyn View) -> Vec<Outcome> {
        let (sender, messages) = mpsc::channel();
        let mut outcomes = vec![Outcome::NotStarted; tasks.len()];
        let mut running: BTreeMap<usize, Worker> = BTreeMap::new();
        let mut waiting: VecDeque<usize> = (0..tasks.len()).collect();
        let mut ending = false;
        loop {
            let is_over = self.policy.deadline.is_some_and(|at| Instant::now() >= at);
            if is_over || ending {
                waiting.clear();
            }
            while running.len() < self.policy.jobs.max(1) {
                let Some((i, task)) = waiting.pop_front().and_then(|i| Some((i, tasks.get(i)?))) else { break };
                match self.start(i, &task.job, &sender) {
                    Ok(worker) => {
                        running.insert(i, worker);
                    }
                    Err(error) => {
                        let message = format!("cannot start `{}`: {error}", self.program.display());
                        settle(&mut outcomes, i, Outcome::Failed(message), view);
                        ending |= self.policy.fail_fast;
                    }
                }
            }
            if running.is_empty() {
                return outcomes;
            }
            match messages.recv_timeout(TICK) {
                Ok(Message::Event(i, event)) => {
                    view.event(i, &event);
                    if let (Event::Ends { .. } | Event::Fails { .. }, Some(worker)) = (&event, running.get_mut(&i)) {
                        worker.last = Some(event);
                    }
                }
                Ok(Message::Closed(i)) => {
                    if let Some(worker) = running.remove(&i) {
                        let outcome = worker.outcome();
                        ending |= self.policy.fail_fast && matches!(outcome, Outcome::Failed(_));
                        settle(&mut outcomes, i, outcome, view);
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            view.tick();
            ending |= self.policy.interrupted.load(Ordering::Relaxed);
            if ending {
                running.values_mut().for_each(|worker| worker.lifeline = None);
            }
        }
    }

    fn start(&self, i: usize, job: &Job, sender: &Sender<Message>) -> std::io::Result<Worker> {
        let mut job = job.clone();
        job.seconds = self.policy.deadline.map(|at| at.saturating_duration_since(Instant::now()).as_secs_f64());
        let text = serde_json::to_string(&job).map_err(std::io::Error::other)?;
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (Some(mut lifeline), Some(out), Some(err)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(std::io::Error::other("a process without pipes"));
        };
        let errors = Arc::new(Mutex::new(VecDeque::new()));
        let (kept, sender) = (errors.clone(), sender.clone());
        let reader = std::thread::spawn(move || keep_last(err, &kept));
        std::thread::spawn(move || forward(i, out, &sender));
        // A worker that dies at once leaves nothing to write to; its end says why.
        let _ = lifeline.write_all(text.as_bytes()).and_then(|()| lifeline.write_all(b"\n"));
        Ok(Worker { child, lifeline: Some(lifeline), errors, reader, last: None })
    }
}

fn settle(outcomes: &mut [Outcome], i: usize, outcome: Outcome, view: &mut dyn View) {
    view.ended(i, &outcome);
    if let Some(slot) = outcomes.get_mut(i) {
        *slot = outcome;
    }
}

fn forward(i: usize, out: impl Read, sender: &Sender<Message>) {
    for line in BufReader::new(out).lines().map_while(Result::ok) {
        // What a library prints is no event.
        if let Ok(event) = serde_json::from_str(&line)
            && sender.send(Message::Event(i, event)).is_err()
        {
            return;
        }
    }
    let _ = sender.send(Message::Closed(i));
}

fn keep_last(err: impl Read, kept: &Mutex<VecDeque<String>>) {
    for line in BufReader::new(err).lines().map_while(Result::ok) {
        if let Ok(mut kept) = kept.lock() {
            kept.push_back(line);
            while kept.len() > MAX_LINES {
                kept.pop_front();
            }
        }
    }
}

impl Worker {
    /// Waits for the end of a worker whose output has ended, and understands it.
    fn outcome(mut self) -> Outcome {
        self.lifeline = None;
        let status = self.child.wait();
        let _ = self.reader.join();
        match self.last {
            Some(Event::Ends { reason: EndReason::Finished, .. }) => Outcome::Finished,
            Some(Event::Ends { reason, .. }) => Outcome::Stopped(reason),
            Some(Event::Fails { message }) => Outcome::Failed(message),
            _ => {
                let mut message = match status {
                    Ok(status) => died(status),
                    Err(error) => format!("its process was lost: {error}"),
                };
                for line in self.errors.lock().map(|lines| lines.clone()).unwrap_or_default() {
                    message.push_str(&format!("\n  | {line}"));
                }
                Outcome::Failed(message)
            }
        }
    }
}

fn died(status: ExitStatus) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        /// What the system sends where memory runs out, and `kill -9`.
        const SIGKILL: i32 = 9;
        if let Some(signal) = status.signal() {
            let why = if signal == SIGKILL { " (killed, or out of memory)" } else { "" };
            return format!(
                "its process was ended by signal {signal}{why}; `dlmc run` again goes on from its last checkpoint"
            );
        }
    }
    format!("its process ended with {status} and said nothing of its run")
}
