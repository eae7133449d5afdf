//! The ender: asks the log where its end is, for all who want to read what is there now.

use tokio::sync::mpsc::UnboundedReceiver;

use crate::log::{Log, LogError, Position};

/// Where the answer to one question goes.
pub(super) type Asked = oneshot::Sender<Result<Position, LogError>>;

/// Answers who asks for the end of the log. Those who ask while the log is being asked are answered together
/// by the next question, which is asked after they have.
pub(super) async fn run(log: impl Log, mut asked: UnboundedReceiver<Asked>) {
    let mut waiting = Vec::new();
    while asked.recv_many(&mut waiting, usize::MAX).await > 0 {
        let end = log.end().await;
        for reply in waiting.drain(..) {
            // Who has asked may not wait any more.
            drop(reply.send(end.clone()));
        }
    }
}
