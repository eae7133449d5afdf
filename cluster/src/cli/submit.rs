//! `submit`: gives the commands in the lines of a file to a replica.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::thread;

use provider_tree_cluster::Options;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::{mpsc, oneshot};

use crate::failure::{FAILED, Failure};
use crate::lines::{Line, Splitter};
use crate::options::SubmitOptions;
use crate::pipeline::Pipeline;
use crate::running::Running;
use crate::signals::{self, Stop};

/// How many lines, and how many answers, wait for those who take them.
const WAITING: usize = 256;

/// How many bytes are read at a time.
const READ_BYTES: usize = 64 << 10;

pub(crate) async fn run(options: SubmitOptions) -> Result<ExitCode, Failure> {
    let stop = Stop::by_signal()?;
    let file = options.file.as_path();
    let input: Box<dyn Read + Send> = match file.as_os_str() == "-" {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(file).map_err(Failure::unreadable(file))?),
    };
    let in_flight = options.lines.in_flight.get();
    let usual = options.dumps.of_replica();
    let most_outstanding = usual.most_outstanding.max(in_flight);
    let replica = Options { most_outstanding, ..usual };
    let Some(running) = Running::open(&options.log, replica, &stop).await? else {
        return Ok(ExitCode::from(signals::EXIT_CODE));
    };

    let (lines, taken) = mpsc::channel(WAITING);
    let (answers, told) = mpsc::channel(WAITING);
    let read = spawn("lines", move || read_lines(input, &lines))?;
    let written = spawn("answers", move || write_answers(told))?;
    let pipeline = Pipeline::new(running.replica.clone(), &options.lines, stop.clone());
    let tally = pipeline.run(taken, answers).await;
    let written = written.await;
    running.close().await?;

    // An error is a thread that has panicked, and has said so.
    let written = written.map_err(|_| Failure::failed("the answers were not all written"))?;
    written.map_err(Failure::unprintable)?;
    if stop.is_requested() {
        return Ok(ExitCode::from(signals::EXIT_CODE));
    }
    read_to_the_end(read, file).await?;
    Ok(if tally.unanswered == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// Runs on a thread what blocks for as long as others want. It is not waited for at the end of the program.
fn spawn<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<oneshot::Receiver<T>, Failure> {
    let (sender, receiver) = oneshot::channel();
    let work = move || {
        // Nobody may want to know.
        let _ = sender.send(work());
    };
    let thread = thread::Builder::new().name(format!("provider-tree-{what}"));
    thread.spawn(work).map_err(|error| Failure::failed(format!("no thread: {error}")))?;
    Ok(receiver)
}

/// Reads lines until there are no more, or nobody wants them any more.
fn read_lines(mut input: impl Read, lines: &Sender<Line>) -> io::Result<()> {
    let mut splitter = Splitter::default();
    let mut bytes = vec![0; READ_BYTES];
    loop {
        let count = match input.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for line in splitter.feed(&bytes[..count]) {
            if lines.blocking_send(line).is_err() {
                return Ok(());
            }
        }
    }
    if let Some(line) = splitter.end() {
        // If nobody wants it, nobody wants any.
        let _ = lines.blocking_send(line);
    }
    Ok(())
}

/// Writes answers, and lets go of them when no more are ready.
fn write_answers(mut answers: Receiver<Vec<u8>>) -> io::Result<()> {
    let mut output = io::BufWriter::with_capacity(READ_BYTES, io::stdout());
    loop {
        let answer = match answers.try_recv() {
            Ok(answer) => answer,
            Err(TryRecvError::Disconnected) => return output.flush(),
            Err(TryRecvError::Empty) => {
                output.flush()?;
                match answers.blocking_recv() {
                    Some(answer) => answer,
                    None => return Ok(()),
                }
            }
        };
        output.write_all(&answer)?;
    }
}

/// Fails if the lines could not be read to their end.
async fn read_to_the_end(
    read: oneshot::Receiver<io::Result<()>>,
    file: &Path,
) -> Result<(), Failure> {
    match read.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Failure::unreadable(file)(error)),
        Err(_) => Err(Failure::failed("the lines were not all read")),
    }
}
