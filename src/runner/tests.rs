#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use super::pool::View;
use super::*;
use crate::store::metrics::EndReason;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub fn job(arm: &str) -> Job {
    Job {
        source: Default::default(),
        experiment: "e".into(),
        arm: arm.into(),
        point: String::new(),
        folder: "runs/e/ar-0".into(),
        id: "0".into(),
        runs: "runs".into(),
        parent: None,
        device: "cpu".into(),
        threads: 1,
        without: vec![],
        steps: None,
        seconds: None,
        accept: Default::default(),
    }
}

#[derive(Default)]
struct Seen {
    events: Vec<(usize, Event)>,
    ended: Vec<usize>,
    /// Most runs at one time.
    most: usize,
    at_work: usize,
    interrupt: Option<Arc<AtomicBool>>,
}

impl View for Seen {
    fn event(&mut self, task: usize, event: &Event) {
        if matches!(event, Event::Starts { .. }) {
            self.at_work += 1;
            self.most = self.most.max(self.at_work);
            if let Some(interrupt) = &self.interrupt {
                interrupt.store(true, Ordering::Relaxed);
            }
        }
        self.events.push((task, event.clone()));
    }

    fn ended(&mut self, task: usize, _outcome: &Outcome) {
        self.at_work -= 1;
        self.ended.push(task);
    }

    fn tick(&mut self) {}
}

/// Workers that are shell scripts: `$arm` is the arm of the job.
fn pool(script: &str, jobs: usize) -> Pool {
    let head = "read job; arm=$(echo \"$job\" | sed 's/.*\"arm\":\"\\([^\"]*\\)\".*/\\1/')\n\
                echo '{\"event\":\"starts\",\"from_step\":0,\"steps\":10}'\n";
    Pool {
        program: "sh".into(),
        arguments: vec!["-c".into(), format!("{head}{script}").into()],
        policy: Policy { jobs, fail_fast: false, deadline: None, interrupted: Arc::default() },
    }
}

fn tasks(arms: &[&str]) -> Vec<Task> {
    arms.iter()
        .map(|arm| Task { title: arm.to_string(), job: job(arm), total_tokens: 100, tokens_per_step: 10 })
        .collect()
}

const ENDS: &str = "echo '{\"event\":\"ends\",\"reason\":\"finished\",\"step\":10}'\n";

#[test]
fn threads_are_shared() {
    assert_eq!([(8, 1), (8, 3), (2, 4), (1, 1), (4, 0)].map(|(all, jobs)| threads_each(all, jobs)), [8, 2, 1, 1, 4]);
}

#[test]
fn every_task_runs_and_no_more_at_a_time_than_asked_for() {
    for jobs in [1, 2] {
        let mut seen = Seen::default();
        let outcomes = pool(&format!("sleep 0.2\n{ENDS}"), jobs).run(&tasks(&["a", "b", "c"]), &mut seen);
        assert_eq!(outcomes, vec![Outcome::Finished; 3]);
        assert_eq!(seen.ended.len(), 3);
        assert_eq!(seen.most, jobs);
    }
}

#[test]
fn what_goes_wrong_in_one_run_stops_no_other_unless_it_is_to() {
    let script = format!(
        "case $arm in\n said) echo '{{\"event\":\"fails\",\"message\":\"no room\"}}'; exit 3;;\n \
         killed) kill -9 $$;;\n silent) echo before >&2; echo 'Aborted here' >&2; exit 5;;\n esac\n{ENDS}"
    );
    let arms = ["said", "a", "killed", "silent", "b"];
    let outcomes = pool(&script, 1).run(&tasks(&arms), &mut Seen::default());
    let failed = |i: usize| match &outcomes[i] {
        Outcome::Failed(message) => message.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(failed(0), "no room");
    assert!(failed(2).contains("signal 9"), "{}", failed(2));
    assert!(failed(3).ends_with("said nothing of its run\n  | before\n  | Aborted here"), "{}", failed(3));
    assert_eq!((&outcomes[1], &outcomes[4]), (&Outcome::Finished, &Outcome::Finished));

    let mut pool = pool(&script, 1);
    pool.policy.fail_fast = true;
    let outcomes = pool.run(&tasks(&arms), &mut Seen::default());
    assert!(matches!(outcomes[0], Outcome::Failed(_)));
    assert_eq!(outcomes[1..], vec![Outcome::NotStarted; 4]);
    pool.program = "/nonexistent/worker".into();
    let outcomes = pool.run(&tasks(&["a"]), &mut Seen { at_work: 1, ..Seen::default() });
    assert!(matches!(&outcomes[0], Outcome::Failed(message) if message.contains("cannot start")), "{outcomes:?}");
}

/// The end of a worker's input asks it to end; it may take its time for a checkpoint.
#[test]
fn an_interruption_reaches_the_workers_and_waits_for_them() {
    let script = "cat > /dev/null; sleep 0.3\necho '{\"event\":\"ends\",\"reason\":\"interrupted\",\"step\":4}'\n";
    let pool = pool(script, 2);
    let mut seen = Seen { interrupt: Some(pool.policy.interrupted.clone()), ..Seen::default() };
    let outcomes = pool.run(&tasks(&["a", "b", "c"]), &mut seen);
    let stopped = Outcome::Stopped(EndReason::Interrupted);
    assert!(outcomes.iter().filter(|o| **o == stopped).count() >= 1, "{outcomes:?}");
    assert_eq!(outcomes[2], Outcome::NotStarted);
    assert!(outcomes.iter().all(|o| *o == stopped || *o == Outcome::NotStarted), "{outcomes:?}");
}

#[test]
fn workers_know_how_much_time_is_left() {
    let mut pool = pool(&format!("echo \"$job\" | grep -q '\"seconds\":[0-9.]*' || exit 1\n{ENDS}"), 1);
    pool.policy.deadline = Some(Instant::now() + Duration::from_secs(600));
    assert_eq!(pool.run(&tasks(&["a"]), &mut Seen::default()), [Outcome::Finished]);
    pool.policy.deadline = Some(Instant::now());
    assert_eq!(pool.run(&tasks(&["a"]), &mut Seen::default()), [Outcome::NotStarted]);
}

#[test]
fn jobs_and_events_come_back_as_they_were() {
    let job = job("ar");
    let text = serde_json::to_string(&job).unwrap();
    assert!(!text.contains('\n'));
    assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job);
    let step = Event::Step { step: 3, loss: None, tokens_per_s: 1.0 / 3.0 };
    assert_eq!(serde_json::from_str::<Event>(&serde_json::to_string(&step).unwrap()).unwrap(), step);
}
