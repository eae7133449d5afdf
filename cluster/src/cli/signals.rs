//! [`Stop`]: SIGINT and SIGTERM, which end a command.

use std::io;

use tokio::sync::watch;

use crate::failure::Failure;

/// The exit code of a program that a signal ends, as shells have it for SIGINT.
pub(crate) const EXIT_CODE: u8 = 130;

/// Tells that somebody wants the end.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens for signals: the first one asks for the end, the second one ends the program.
    pub(crate) fn by_signal() -> Result<Self, Failure> {
        let mut signals = Signals::listen()
            .map_err(|error| Failure::failed(format!("signals can't be waited for: {error}")))?;
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(async move {
            signals.next().await;
            stop.send_replace(true);
            signals.next().await;
            std::process::exit(EXIT_CODE.into());
        });
        Ok(Stop(stopped))
    }

    /// Returns a stop, and what asks for it.
    #[cfg(test)]
    pub(crate) fn by_hand() -> (Self, watch::Sender<bool>) {
        let (stop, stopped) = watch::channel(false);
        (Stop(stopped), stop)
    }

    /// Waits until somebody wants the end.
    pub(crate) async fn requested(mut self) {
        if self.0.wait_for(|wanted| *wanted).await.is_err() {
            // Nobody can want it any more.
            std::future::pending().await
        }
    }

    /// Returns whether somebody wants the end.
    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

#[cfg(unix)]
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Signals(signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Signals)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
