//! The page of a replica that is served.

use std::fmt::Write as _;

use crate::status::Document;

/// Returns the page, which needs nothing but a browser.
pub(crate) fn page(document: &Document, takes_commands: bool) -> String {
    let health = if document.trouble.is_some() { "does not work" } else { "works" };
    let mut rows = String::new();
    for (name, value) in document.facts() {
        // Writing to a string does not fail.
        let _ = writeln!(rows, "<tr><th>{}</th><td>{}</td></tr>", escaped(&name), escaped(&value));
    }
    let commands = match takes_commands {
        true => "<p>Commands are taken by POST /submit, one in a line.</p>\n",
        false => "",
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Replica {replica}: {health}</title>\n\
         <style>\n\
         body {{ font-family: sans-serif; margin: 2em; color-scheme: light dark }}\n\
         th {{ text-align: left; font-weight: normal; padding-right: 2em }}\n\
         td {{ font-variant-numeric: tabular-nums }}\n\
         </style>\n</head>\n<body>\n\
         <h1>A replica that {health}</h1>\n\
         <table>\n{rows}</table>\n{commands}\
         <p><a href=\"/health\">/health</a> <a href=\"/metrics\">/metrics</a>\n\
         <a href=\"/status\">/status</a> <a href=\"/dump\">/dump</a></p>\n\
         </body>\n</html>\n",
        replica = document.replica,
    )
}

/// Returns a text as HTML shows it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_no_markup() {
        assert_eq!(escaped("<script>\"&\""), "&lt;script&gt;&quot;&amp;&quot;");
    }
}
