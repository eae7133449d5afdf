//! Runs the tool: a replica in a process of its own, which is asked by lines.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use cluster_rig::{signal, spawn};
use serde_json::Value;

/// How long anything may take that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A process that is asked by one thread, while others send it signals.
pub(crate) struct Tool {
    process: Process,
    /// Takes the lines; none once no more are to come.
    input: Option<Input>,
    answers: Receiver<Value>,
    reader: Option<JoinHandle<()>>,
    /// Where it is served, if it is.
    pub(crate) address: Option<String>,
}

/// Means a process, for as long as it has not been waited for.
#[derive(Clone)]
pub(crate) struct Process(Arc<Mutex<Option<Child>>>);

enum Input {
    Pipe(Box<dyn Write + Send>),
    /// A request whose body is in chunks.
    Request(TcpStream),
}

impl Tool {
    /// Starts `submit`. What it says on standard error goes to a file.
    pub(crate) fn submit(log: &[String], more: &[&str], errors: &Path) -> Self {
        let (process, input, output) = start("submit", log, more, errors);
        let (answers, reader) = read(output);
        Tool {
            process,
            input: Some(Input::Pipe(input)),
            answers,
            reader: Some(reader),
            address: None,
        }
    }

    /// Starts `serve`, and a request with lines. `None` if it ends before, as one that is killed does.
    pub(crate) fn serve(log: &[String], more: &[&str], errors: &Path) -> Option<Self> {
        let more = [&["--listen", "127.0.0.1:0", "--allow-submit"], more].concat();
        let (process, _, mut output) = start("serve", log, &more, errors);
        let tool = |input, (answers, reader), address| Tool {
            process: process.clone(),
            input,
            answers,
            reader: Some(reader),
            address,
        };
        let mut address = String::new();
        let is_there = output.read_line(&mut address).is_ok() && address.ends_with('\n');
        let address = address.trim_end().to_owned();
        let asked = is_there.then(|| ask(&address)).and_then(io::Result::ok);
        let Some((request, response)) = asked else {
            drop(tool(None, read(io::empty()), None));
            return None;
        };
        Some(tool(Some(Input::Request(request)), read(BufReader::new(response)), Some(address)))
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// Writes a line. An error says that the process is gone.
    pub(crate) fn ask(&mut self, line: &Value) -> io::Result<()> {
        let text = format!("{line}\n");
        match self.input.as_mut() {
            Some(Input::Pipe(pipe)) => pipe.write_all(text.as_bytes()).and_then(|()| pipe.flush()),
            Some(Input::Request(stream)) => {
                stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())
            }
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Waits for the next answer; an error says that there is none yet, or that none ever comes.
    pub(crate) fn answer_within(&self, patience: Duration) -> Result<Value, RecvTimeoutError> {
        self.answers.recv_timeout(patience)
    }

    /// Waits for the next answer.
    #[track_caller]
    pub(crate) fn answer(&self) -> Value {
        self.answer_within(PATIENCE).expect("the tool answers")
    }

    /// Asks, and waits for the answer: to be used while nothing else is asked.
    #[track_caller]
    pub(crate) fn said_to(&mut self, line: &Value) -> Value {
        self.ask(line).expect("the tool takes lines");
        self.answer()
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        self.process.end();
        if let Some(Input::Request(stream)) = self.input.take() {
            stream.shutdown(Shutdown::Both).ok();
        }
        if let Some(reader) = self.reader.take() {
            reader.join().ok();
        }
    }
}

impl Process {
    /// Sends SIGKILL. False if it has ended.
    pub(crate) fn kill(&self) -> bool {
        self.signal(signal::kill)
    }

    /// Sends SIGSTOP. False if it has ended.
    pub(crate) fn stop(&self) -> bool {
        self.signal(signal::stop)
    }

    /// Sends SIGCONT. False if it has ended.
    pub(crate) fn cont(&self) -> bool {
        self.signal(signal::cont)
    }

    /// Kills it, if it has not ended, and waits for the end.
    pub(crate) fn end(&self) {
        if let Some(mut child) = self.child().take() {
            child.kill().ok();
            child.wait().ok();
        }
    }

    /// Nobody else has the number of a process that was not waited for.
    fn signal(&self, send: impl Fn(u32) -> io::Result<()>) -> bool {
        match self.child().as_mut() {
            Some(child) => matches!(child.try_wait(), Ok(None)) && send(child.id()).is_ok(),
            None => false,
        }
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a command of the tool that ends by itself.
pub(crate) fn run(arguments: &[&str]) -> Output {
    let mut command = spawn::command(env!("CARGO_BIN_EXE_provider-tree-cluster"));
    command.args(arguments).env_remove("RUST_LOG").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    spawn::spawn(command).unwrap().wait_with_output().unwrap()
}

/// Runs a command of the tool that succeeds.
#[track_caller]
pub(crate) fn run_well(arguments: &[&str]) -> Vec<u8> {
    let ran = run(arguments);
    assert!(ran.status.success(), "{arguments:?}: {ran:?}");
    ran.stdout
}

fn start(
    subcommand: &str,
    log: &[String],
    more: &[&str],
    errors: &Path,
) -> (Process, Box<dyn Write + Send>, impl BufRead + Send + use<>) {
    let mut command = spawn::command(env!("CARGO_BIN_EXE_provider-tree-cluster"));
    command.arg(subcommand).args(log).args(more).env_remove("RUST_LOG");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(File::options().create(true).append(true).open(errors).unwrap());
    let mut child = spawn::spawn(command).unwrap();
    let input = child.stdin.take().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (Process(Arc::new(Mutex::new(Some(child)))), Box::new(input), output)
}

/// Begins a request with lines.
fn ask(address: &str) -> io::Result<(TcpStream, TcpStream)> {
    let mut request = TcpStream::connect(address.trim_start_matches("http://"))?;
    request.set_nodelay(true)?;
    request.write_all(b"POST /submit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    let response = request.try_clone()?;
    Ok((request, response))
}

/// Reads answers until the process ends. What is no answer is the frame of HTTP.
fn read(output: impl Read + Send + 'static) -> (Receiver<Value>, JoinHandle<()>) {
    let (sender, answers) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // A process that is killed may have written a part of a line.
            let Ok(answer) = serde_json::from_str::<Value>(&line) else { continue };
            if answer.is_object() && sender.send(answer).is_err() {
                return;
            }
        }
    });
    (answers, reader)
}
