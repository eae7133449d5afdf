//! Answers that depend on what the log does meanwhile.

use provider_tree_cluster::Options;
use tokio::sync::watch;

use super::*;
use crate::gated_log::{Gate, GatedLog};

/// A pipeline that is at work, line by line.
struct Driver {
    log: GatedLog,
    replica: Replica,
    lines: Option<Sender<Line>>,
    answers: Receiver<Vec<u8>>,
    stop: watch::Sender<bool>,
    running: JoinHandle<Tally>,
    asked: u64,
}

impl Driver {
    async fn start(deadline: Option<Duration>, in_flight: usize) -> Self {
        let log = GatedLog::new().await;
        let replica = Replica::start(log.clone(), Options::default()).await.unwrap();
        log.reset_attempts();
        let (stop, by_hand) = Stop::by_hand();
        let options = LineOptions::new(deadline, in_flight);
        let pipeline = Pipeline::new(replica.clone(), &options, stop);
        let (lines, taken) = mpsc::channel(1);
        let (answers, told) = mpsc::channel(1);
        let running = tokio::spawn(pipeline.run(taken, answers));
        Driver { log, replica, lines: Some(lines), answers: told, stop: by_hand, running, asked: 0 }
    }

    async fn ask(&mut self, text: &str) {
        self.asked += 1;
        let line = Line { number: self.asked, text: Some(text.into()) };
        self.lines.as_ref().unwrap().send(line).await.unwrap();
    }

    async fn create(&mut self, name: &str) {
        let uuid = uuid::Uuid::new_v4();
        self.ask(&format!(r#"{{"create": {{"uuid": "{uuid}", "name": "{name}"}}}}"#)).await;
    }

    async fn answer(&mut self) -> Value {
        serde_json::from_slice(&self.answers.recv().await.unwrap()).unwrap()
    }

    async fn end(mut self) -> Tally {
        self.lines = None;
        assert_eq!(self.answers.recv().await, None);
        self.running.await.unwrap()
    }
}

/// A second is long for what is done before it is over, and all that the tests wait for.
const DEADLINE: Option<Duration> = Some(Duration::from_secs(1));

#[tokio::test]
async fn at_the_deadline_a_command_is_unknown_if_it_was_sent_and_else_not_made() {
    let mut driver = Driver::start(DEADLINE, 8).await;
    driver.log.set(Gate::Shut);
    driver.create("sent").await;
    driver.log.attempted().await;
    driver.create("waiting").await;
    driver.ask(r#"{"sync": true}"#).await;
    let sent = driver.answer().await;
    assert!(sent["unknown"].as_str().unwrap().contains("the deadline has come"), "{sent}");
    let replica = json!(driver.replica.status().replica);
    assert_eq!(sent["replica"], replica);
    let waiting = driver.answer().await;
    assert_eq!(waiting, json!({ "line": 2, "not_made": "the deadline has come" }));
    // The log itself answers, and has nothing that is not applied.
    assert_eq!(driver.answer().await["ok"], json!({ "replica": replica }));

    driver.log.set(Gate::Open);
    driver.ask(r#"{"sync": true}"#).await;
    driver.create("later").await;
    driver.answer().await;
    assert_eq!(driver.answer().await["ok"], json!({}));
    let forest = driver.replica.forest();
    assert!(forest.find("sent").is_some() && forest.find("later").is_some());
    assert!(forest.find("waiting").is_none());
    assert_eq!(driver.end().await, Tally { unanswered: 2 });
}

#[tokio::test]
async fn a_read_holds_up_no_command_and_has_what_the_lines_before_it_have_done() {
    let mut driver = Driver::start(None, 8).await;
    driver.log.set(Gate::Shut);
    driver.create("first").await;
    driver.ask(r#"{"read": {"provider": "first"}, "fresh": true}"#).await;
    driver.create("second").await;
    driver.ask(r#"{"read": {"provider": "second"}}"#).await;
    // All of it was taken, and nothing is answered.
    let submitted = |replica: &Replica| replica.metrics().commands_submitted;
    while submitted(&driver.replica) < 2 {
        tokio::task::yield_now().await;
    }
    assert!(driver.answers.try_recv().is_err());
    driver.log.set(Gate::Open);
    assert_eq!(driver.answer().await["ok"], json!({}));
    assert_eq!(driver.answer().await["ok"]["configuration"]["name"], "first");
    let made = driver.answer().await;
    let read = driver.answer().await;
    assert_eq!(read["ok"]["configuration"]["name"], "second");
    assert!(read["position"].as_u64() >= made["position"].as_u64());
    assert_eq!(driver.end().await, Tally { unanswered: 0 });
}

#[tokio::test]
async fn no_more_lines_are_on_their_way_than_may_be() {
    let mut driver = Driver::start(None, 2).await;
    driver.log.set(Gate::Shut);
    for name in ["a", "b", "c"] {
        driver.create(name).await;
    }
    // The third is taken from the channel by nobody, so that there is no place for a fourth.
    let fourth = Line { number: 4, text: Some(b"{}".to_vec()) };
    driver.log.attempted().await;
    while driver.replica.metrics().commands_submitted < 2 {
        tokio::task::yield_now().await;
    }
    assert!(driver.lines.as_ref().unwrap().try_send(fourth).is_err());
    assert_eq!(driver.replica.metrics().commands_submitted, 2);
    driver.log.set(Gate::Open);
    for line in 1..=3 {
        assert_eq!(driver.answer().await["line"], line);
    }
    assert_eq!(driver.end().await, Tally { unanswered: 0 });
}

#[tokio::test]
async fn what_was_taken_is_answered_when_somebody_wants_the_end() {
    let mut driver = Driver::start(None, 8).await;
    driver.log.set(Gate::Shut);
    driver.create("taken").await;
    driver.log.attempted().await;
    driver.stop.send_replace(true);
    // The pipeline takes no more.
    driver.lines.as_ref().unwrap().closed().await;
    driver.log.set(Gate::Open);
    assert_eq!(driver.answer().await["ok"], json!({}));
    assert_eq!(driver.end().await, Tally { unanswered: 0 });
}

#[tokio::test]
async fn a_pipeline_ends_when_nobody_wants_answers() {
    let mut driver = Driver::start(None, 8).await;
    driver.log.set(Gate::Shut);
    driver.create("sent").await;
    driver.log.attempted().await;
    drop(driver.answers);
    driver.lines.as_ref().unwrap().closed().await;
    assert_eq!(driver.running.await.unwrap(), Tally { unanswered: 0 });
}

#[tokio::test]
async fn a_replica_that_is_closed_makes_nothing() {
    let mut driver = Driver::start(None, 8).await;
    driver.replica.close().await;
    driver.create("late").await;
    driver.ask(r#"{"sync": true}"#).await;
    for _ in 0..2 {
        let answer = driver.answer().await;
        assert!(answer["not_made"].as_str().unwrap().contains("closed"), "{answer}");
    }
    assert_eq!(driver.end().await, Tally { unanswered: 2 });
}
