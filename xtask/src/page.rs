//! `cargo xtask page`: looks at the pages with pictures in a browser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::debian;
use crate::metadata::{OPTIMISED, Workspace};
use crate::shell::{self, Failure, failed, heading, trouble};

/// What Chromium is called.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// How a page is looked at: the name of the picture, and how wide it is.
const WIDTHS: [(&str, u32); 2] = [("desk", 1200), ("phone", 390)];

/// The themes as a browser is told of them.
const THEMES: [(&str, u8); 2] = [("light", 1), ("dark", 0)];

const HEIGHT: u32 = 6000;

/// A browser's window is at least so wide: narrower pages are shown in a frame.
const NARROWEST_WINDOW: u32 = 500;

/// Makes the pages, opens each in both widths and themes, and fails if its console says anything.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let directory = workspace.root().join("target/page");
    fs::create_dir_all(&directory).map_err(|error| trouble(&directory, &error))?;
    let browser = Browser::find_or_install(&directory)?;
    heading("the browser");
    browser.check_that_errors_are_seen(&directory)?;
    heading("the page of the benchmark");
    let mut bench = workspace.cargo("run");
    bench.args(["--profile", OPTIMISED, "--package", "bench", "--"]);
    // It matters what is shown, not how fast that was.
    let briefly = ["--workload", "scheduler", "--rounds", "1", "--length", "5", "--threads", "1,2"];
    shell::run(bench.args(briefly).arg("--out").arg(&directory))?;
    heading("the page of replay");
    let page = directory.join("replay.html");
    let options = ["table", "--threads", "1,2,4", "--seeds", "3", "--report"];
    let mut replay = workspace.cargo("run");
    replay.args(["--profile", OPTIMISED, "--package", "replay", "--"]).args(options).arg(&page);
    shell::run(replay.arg("--bench").arg(directory.join("bench.json")))?;
    heading("pictures");
    for page in [page, directory.join("bench.html")] {
        for picture in browser.look_at(&page)? {
            println!("{}", picture.display());
        }
    }
    Ok(())
}

struct Browser {
    program: &'static str,
    /// Where it keeps what it remembers.
    profile: PathBuf,
}

impl Browser {
    /// Finds Chromium, or installs it where that is allowed.
    fn find_or_install(directory: &Path) -> Result<Self, Failure> {
        let profile = directory.join("profile");
        let found = || NAMES.into_iter().find(|name| shell::starts(name));
        if let Some(program) = found() {
            return Ok(Self { program, profile });
        }
        debian::try_to_install(&NAMES[..1]);
        let program = found().ok_or_else(|| {
            failed("there is no Chromium, and it can't be installed: install it, and try again")
        })?;
        Ok(Self { program, profile })
    }

    /// Fails unless an error on a page's console is noticed.
    fn check_that_errors_are_seen(&self, directory: &Path) -> Result<(), Failure> {
        let page = directory.join("faulty.html");
        shell::write(&page, "<!DOCTYPE html><title>x</title><script>console.error('oh')</script>")?;
        let said = self.open(&page, 800, 600, 1, &directory.join("faulty.png"))?;
        match said.len() {
            1 => {
                println!("an error on a page's console is noticed");
                Ok(())
            }
            _ => Err(failed(format!("one error on a page was made, but noticed were: {said:?}"))),
        }
    }

    /// Looks at a page in both widths and themes; returns the pictures.
    fn look_at(&self, page: &Path) -> Result<Vec<PathBuf>, Failure> {
        let mut pictures = Vec::new();
        for (width_name, width) in WIDTHS {
            let shown = match width < NARROWEST_WINDOW {
                true => framed(page, width)?,
                false => page.to_owned(),
            };
            for (theme_name, theme) in THEMES {
                let picture = page.with_extension(format!("{width_name}-{theme_name}.png"));
                let window = width.max(NARROWEST_WINDOW);
                let said = self.open(&shown, window, HEIGHT, theme, &picture)?;
                if !said.is_empty() {
                    let said = said.join("\n");
                    return Err(failed(format!("{}: the console says\n{said}", page.display())));
                }
                pictures.push(picture);
            }
        }
        Ok(pictures)
    }

    /// Opens a page and takes a picture; returns what its console says.
    fn open(
        &self,
        page: &Path,
        width: u32,
        height: u32,
        theme: u8,
        picture: &Path,
    ) -> Result<Vec<String>, Failure> {
        let mut command = Command::new(self.program);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]);
        command.args(["--disable-background-networking", "--disable-component-update"]);
        command.args(["--disable-sync", "--disable-quic", "--hide-scrollbars"]);
        command.args(["--allow-file-access-from-files", "--enable-logging=stderr"]);
        command.arg(format!("--user-data-dir={}", self.profile.display()));
        command.arg(format!("--window-size={width},{height}"));
        command.arg(format!("--blink-settings=preferredColorScheme={theme}"));
        command.arg(format!("--screenshot={}", picture.display()));
        command.arg(format!("file://{}", page.display()));
        let _old = fs::remove_file(picture);
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|error| failed(format!("{}: {error}", self.program)))?;
        shell::succeeded(&command, &output.status)?;
        if !picture.is_file() {
            return Err(failed(format!("{}: no picture was taken", page.display())));
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Ok(said.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect())
    }
}

/// Writes a page that shows another one in a frame; returns its path.
fn framed(page: &Path, width: u32) -> Result<PathBuf, Failure> {
    let name = page.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let frame = page.with_extension("frame.html");
    let text = format!(
        "<!DOCTYPE html><title>{name}</title><style>body {{ margin: 0 }}</style>\
         <iframe src=\"{name}\" width=\"{width}\" height=\"{HEIGHT}\" style=\"border: 0\"></iframe>"
    );
    shell::write(&frame, &text)?;
    Ok(frame)
}
