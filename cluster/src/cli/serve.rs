//! `serve`: runs a replica, and serves what is to be known of it over HTTP.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use futures_util::stream::{self, StreamExt as _};
use provider_tree_cluster::{Error, Replica, StateDump};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, Receiver, Sender};
use uuid::Uuid;

use crate::client::POSITION;
use crate::failure::Failure;
use crate::lines::{Line, Splitter};
use crate::options::{LineOptions, ServeOptions};
use crate::page::page;
use crate::pipeline::Pipeline;
use crate::quote::{quote, without_credentials};
use crate::running::Running;
use crate::signals::Stop;
use crate::status::Document;

/// How long the log may take to take a mark.
const MARKING: Duration = Duration::from_secs(10);

/// How long those who are being answered are waited for at the end.
const ENDING: Duration = Duration::from_secs(10);

/// How many lines, and how many answers, are passed on at once.
const AT_ONCE: usize = 256;

/// What the answers are made of.
struct Served {
    replica: Replica,
    log: &'static str,
    allow_submit: bool,
    lines: LineOptions,
    stop: Stop,
}

pub(crate) async fn run(options: ServeOptions) -> Result<ExitCode, Failure> {
    let stop = Stop::by_signal()?;
    let cant_listen = |error: io::Error| {
        let listen = quote(&without_credentials(&options.listen));
        let text = format!("{listen} can't be listened to: {error}");
        match error.kind() {
            io::ErrorKind::InvalidInput => Failure::usage(text),
            _ => Failure::failed(text),
        }
    };
    let listener = TcpListener::bind(&options.listen).await.map_err(cant_listen)?;
    let address = listener.local_addr().map_err(cant_listen)?;
    let running = Running::open(&options.log, options.dumps.of_replica(), &stop).await?;
    let Some(running) = running else { return Ok(ExitCode::SUCCESS) };
    let served = Served {
        replica: running.replica.clone(),
        log: running.log.kind(),
        allow_submit: options.allow_submit,
        lines: options.lines,
        stop: stop.clone(),
    };
    let mut output = io::stdout();
    let printed = writeln!(output, "http://{address}").and_then(|()| output.flush());
    let served = match printed {
        Ok(()) => serve(listener, router(served), stop).await,
        Err(error) => Err(Failure::unprintable(error)),
    };
    running.close().await?;
    served.map(|()| ExitCode::SUCCESS)
}

/// Serves until somebody wants the end.
async fn serve(listener: TcpListener, router: Router, stop: Stop) -> Result<(), Failure> {
    let serving = axum::serve(listener, router).with_graceful_shutdown(stop.clone().requested());
    tokio::select! {
        served = serving.into_future() => {
            served.map_err(|error| Failure::failed(format!("can't serve any more: {error}")))
        }
        () = async {
            stop.requested().await;
            tokio::time::sleep(ENDING).await;
        } => Ok(()),
    }
}

fn router(served: Served) -> Router {
    Router::new()
        .route("/", get(show_page))
        .route("/health", get(show_health))
        .route("/metrics", get(show_metrics))
        .route("/status", get(show_status))
        .route("/dump", get(show_dump))
        .route("/mark", post(set_mark))
        .route("/submit", post(submit))
        .layer(middleware::from_fn(refuse_pages_of_others))
        .with_state(Arc::new(served))
}

/// Refuses changes that a page of whichever site has a browser ask for: nothing here does.
async fn refuse_pages_of_others(request: Request, next: Next) -> Response {
    let mut response = match request.method().is_safe() || !request.headers().contains_key(ORIGIN) {
        true => next.run(request).await,
        false => plain(StatusCode::FORBIDDEN, "no page may change anything here".to_owned()),
    };
    let headers = response.headers_mut();
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

async fn show_page(State(served): State<Arc<Served>>) -> Response {
    let takes_commands = served.allow_submit;
    match document(served).await {
        Ok(document) => {
            let policy = "default-src 'none'; style-src 'unsafe-inline'";
            let head =
                [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, policy)];
            (head, page(&document, takes_commands)).into_response()
        }
        Err(failed) => failed,
    }
}

async fn show_health(State(served): State<Arc<Served>>) -> Response {
    match served.replica.status().trouble {
        None => plain(StatusCode::OK, "follows the log".to_owned()),
        Some(trouble) => plain(StatusCode::SERVICE_UNAVAILABLE, trouble.to_string()),
    }
}

async fn show_status(State(served): State<Arc<Served>>) -> Response {
    match document(served).await {
        Ok(document) => as_json(format!("{}\n", json!(document))),
        Err(failed) => failed,
    }
}

async fn show_metrics(State(served): State<Arc<Served>>) -> Response {
    let replica = served.replica.clone();
    let document = match document(served).await {
        Ok(document) => document,
        Err(failed) => return failed,
    };
    let mut text = replica.metrics().to_prometheus();
    let forest = &document.forest;
    for (name, value, description) in [
        ("position", document.position, "Entries up to here are applied."),
        ("lag", document.lag, "How far that is from the greatest position that was seen."),
        ("dumped", document.dumped, "The position of the newest dump that is known."),
        ("outstanding", document.outstanding as u64, "Commands that are not answered yet."),
        ("ended", document.ended.into(), "Whether the replica works no more."),
        ("healthy", document.trouble.is_none().into(), "Whether the replica follows the log."),
        ("providers", forest.providers, "Providers of the forest."),
        ("consumers", forest.consumers, "Consumers of the forest."),
        ("leases", forest.leases, "Leases of the forest."),
        ("forest_bytes", forest.bytes, "Bytes of memory that the forest takes."),
    ] {
        let name = format!("provider_tree_cluster_{name}");
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP {name} {description}\n# TYPE {name} gauge\n{name} {value}");
    }
    text.push_str(&replica.forest().metrics().to_prometheus());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

async fn show_dump(State(served): State<Arc<Served>>, uri: Uri) -> Response {
    let replica = &served.replica;
    let dumped = match uri.query() {
        None => replica.dump().await.map(Some),
        Some(query) => match query.strip_prefix("mark=").and_then(|mark| mark.parse::<Uuid>().ok())
        {
            Some(mark) => replica.dump_at_mark(mark).await,
            None => return plain(StatusCode::BAD_REQUEST, "not like ?mark=UUID".to_owned()),
        },
    };
    match dumped {
        Ok(Some(StateDump { position, bytes })) => {
            let position = position.to_string();
            let head = [(CONTENT_TYPE.as_str(), "application/octet-stream"), (POSITION, &position)];
            (head, bytes).into_response()
        }
        Ok(None) => {
            let position = replica.position().to_string();
            let text = format!("the mark is not known: the replica is at {position}");
            ([(POSITION, position)], plain(StatusCode::NOT_FOUND, text)).into_response()
        }
        Err(error) => unavailable(&error),
    }
}

async fn set_mark(State(served): State<Arc<Served>>) -> Response {
    match tokio::time::timeout(MARKING, served.replica.mark()).await {
        Ok(Ok(made)) => {
            as_json(format!("{}\n", json!({ "mark": made.answer, "position": made.position })))
        }
        Ok(Err(error)) => unavailable(&error),
        Err(_) => {
            let text = format!("the log has not taken the mark within {MARKING:?}");
            plain(StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }
}

/// Answers the lines of a request while they come in.
async fn submit(State(served): State<Arc<Served>>, body: Body) -> Response {
    if !served.allow_submit {
        let text = "no commands are taken here: serve with --allow-submit".to_owned();
        return plain(StatusCode::FORBIDDEN, text);
    }
    let Served { replica, lines, stop, .. } = &*served;
    let pipeline = Pipeline::new(replica.clone(), lines, stop.clone());
    let (lines, taken) = mpsc::channel(AT_ONCE);
    // Who asks may read the first answer after the last line is sent: so all have to find room.
    let (answers, told) = mpsc::channel(Semaphore::MAX_PERMITS);
    tokio::spawn(read_lines(body, lines));
    tokio::spawn(pipeline.run(taken, answers));
    let head = [(CONTENT_TYPE, "application/x-ndjson")];
    (head, Body::from_stream(stream::unfold(told, next_answers))).into_response()
}

/// Reads lines until there are no more, or nobody wants them any more. What is broken off is no line.
async fn read_lines(body: Body, lines: Sender<Line>) {
    let mut splitter = Splitter::default();
    let mut body = body.into_data_stream();
    loop {
        let bytes = tokio::select! {
            bytes = body.next() => bytes,
            () = lines.closed() => return,
        };
        let Some(bytes) = bytes else { break };
        let Ok(bytes) = bytes else { return };
        for line in splitter.feed(&bytes) {
            if lines.send(line).await.is_err() {
                return;
            }
        }
    }
    if let Some(line) = splitter.end() {
        // If nobody wants it, nobody wants any.
        let _ = lines.send(line).await;
    }
}

/// Returns the answers that there are, together.
async fn next_answers(
    mut told: Receiver<Vec<u8>>,
) -> Option<(Result<Bytes, Infallible>, Receiver<Vec<u8>>)> {
    let mut answers = Vec::new();
    match told.recv_many(&mut answers, AT_ONCE).await {
        0 => None,
        _ => Some((Ok(answers.concat().into()), told)),
    }
}

/// Describes the replica, on a thread that may take its time.
async fn document(served: Arc<Served>) -> Result<Document, Response> {
    let described = tokio::task::spawn_blocking(move || Document::of(&served.replica, served.log));
    let failed = |_| plain(StatusCode::INTERNAL_SERVER_ERROR, "it can't be told".to_owned());
    described.await.map_err(failed)
}

fn unavailable(error: &Error) -> Response {
    plain(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

fn plain(status: StatusCode, text: String) -> Response {
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{text}\n")).into_response()
}

fn as_json(text: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

#[cfg(test)]
mod tests;
